/**
 * Philox4x32-10: a counter-based generator, that is a keyed bijection of 128-bit counters with random-looking output.
 * Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
 *
 * The functions that make normal numbers of its words use additions, multiplications and divisions alone, which IEEE 754
 * fixes to the last bit: Math.log, Math.sin and Math.cos may differ between JavaScript engines and would make noise
 * depend on the machine.
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

const twoPowers: Float64Array = Float64Array.from({ length: 34 }, (_, exponent) => 2 ** exponent);

/** ln((2 word + 1) / 2^33), the logarithm of a uniform number in (0, 1) given by 32 random bits; error below 1e-15. */
export function logOfWord(word: number): number {
  let exponent = 32 - Math.clz32(word);
  let mantissa = (2 * word + 1) / twoPowers[exponent]!;
  if (mantissa > Math.SQRT2) {
    mantissa /= 2;
    exponent++;
  }
  // ln m = 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172
  const s = (mantissa - 1) / (mantissa + 1);
  const square = s * s;
  let series = 0;
  for (let odd = 21; odd >= 1; odd -= 2) series = series * square + 1 / odd;
  return 2 * s * series + (exponent - 33) * Math.LN2;
}

const sineTerms = [1, -1 / 6, 1 / 120, -1 / 5040, 1 / 362880, -1 / 39916800, 1 / 6227020800];
const cosineTerms = [1, -1 / 2, 1 / 24, -1 / 720, 1 / 40320, -1 / 3628800, 1 / 479001600, -1 / 87178291200];

function series(terms: readonly number[], square: number): number {
  let sum = 0;
  for (let i = terms.length - 1; i >= 0; i--) sum = sum * square + terms[i]!;
  return sum;
}

/** cos and sin of 2 pi word / 2^32, written into `out`; error below 1e-12 (far below float32). */
export function circleOfWord(word: number, out: Float64Array): void {
  const shifted = (word + 0x20000000) >>> 0;
  // angle in [-pi/4, pi/4) within the quadrant
  const angle = ((shifted & 0x3fffffff) - 0x20000000) * (Math.PI / 0x80000000);
  const square = angle * angle;
  const cosine = series(cosineTerms, square);
  const sine = angle * series(sineTerms, square);
  const quadrant = shifted >>> 30;
  out[0] = quadrant === 0 ? cosine : quadrant === 1 ? -sine : quadrant === 2 ? -cosine : sine;
  out[1] = quadrant === 0 ? sine : quadrant === 1 ? cosine : quadrant === 2 ? -sine : -cosine;
}
