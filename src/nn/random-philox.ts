/**
 * Philox4x32-10: a counter-based generator, that is a keyed bijection of 128-bit counters with random-looking output.
 * Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 */

/** Four 32-bit words: a counter or an output block. */
export type Words = Uint32Array;

function multiplyHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const low = (aLow * bLow) >>> 16;
  const middle = aHigh * bLow + low;
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(cross / 0x10000)) >>> 0;
}

/** Ten Philox rounds of the counter `words` under the key (key0, key1), in place. */
export function philox(words: Words, key0: number, key1: number): void {
  let [a, b, c, d] = [words[0]!, words[1]!, words[2]!, words[3]!];
  let k0 = key0;
  let k1 = key1;
  for (let round = 0; round < 10; round++) {
    const highA = multiplyHigh(0xd2511f53, a);
    const highC = multiplyHigh(0xcd9e8d57, c);
    const lowA = Math.imul(0xd2511f53, a);
    const lowC = Math.imul(0xcd9e8d57, c);
    a = (highC ^ b ^ k0) >>> 0;
    b = lowC >>> 0;
    c = (highA ^ d ^ k1) >>> 0;
    d = lowA >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  words[0] = a;
  words[1] = b;
  words[2] = c;
  words[3] = d;
}

/**
 * Derives a 64-bit key from a parent key and a name: a block-chained Philox over the UTF-8 bytes and their number.
 * The parent is flipped by a constant first, so that no derivation shares a block with a draw.
 */
export function deriveKey(key0: number, key1: number, name: string): [number, number] {
  const bytes = new TextEncoder().encode(name);
  const state = new Uint32Array(4);
  const [k0, k1] = [(key0 ^ 0x5bd1e995) >>> 0, (key1 ^ 0x1b873593) >>> 0];
  for (let start = 0; start < bytes.length; start += 16) {
    for (let i = start; i < Math.min(start + 16, bytes.length); i++) {
      const word = (i - start) >>> 2;
      state[word] = state[word]! ^ (bytes[i]! << (8 * (i & 3)));
    }
    philox(state, k0, k1);
  }
  state[0] = state[0]! ^ bytes.length;
  philox(state, k1, k0);
  return [state[0]!, state[1]!];
}
