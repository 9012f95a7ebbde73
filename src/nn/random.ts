import { circleOfWord, deriveKey, logOfWord, philox } from './philox.ts';
import type { HostFloats } from './tensors.ts';
import { TorchGenerator } from './torch-random.ts';

/**
 * An immutable seed: the same key gives the same draw every time, bit for bit on every machine and engine. Independent
 * numbers come from streams: `key.stream('noise').stream(3).normal([2, 4])`. Philox4x32-10 over (block index, 0, 0, 0).
 */
export class Key {
  readonly #key0: number;
  readonly #key1: number;

  constructor(key0: number, key1: number) {
    this.#key0 = key0 >>> 0;
    this.#key1 = key1 >>> 0;
  }

  /** The 64 bits of this key in hexadecimal, for manifests and messages. */
  get id(): string {
    return [this.#key1, this.#key0].map((word) => word.toString(16).padStart(8, '0')).join('');
  }

  /** The key called `name` below this one; different names are independent, a number is named by its digits. */
  stream(name: string | number): Key {
    return new Key(...deriveKey(this.#key0, this.#key1, String(name)));
  }

  /** Raw 32-bit words. */
  words(count: number): Uint32Array {
    const blocks = Math.ceil(checkCount(count) / 4);
    const out = new Uint32Array(blocks * 4);
    for (let block = 0; block < blocks; block++) {
      const words = out.subarray(4 * block, 4 * block + 4);
      words[0] = block;
      words[1] = Math.floor(block / 0x100000000);
      philox(words, this.#key0, this.#key1);
    }
    return out.subarray(0, count);
  }

  /** Uniform numbers in [low, high): low + (high - low) w with w a multiple of 2^-24. */
  uniform(shape: readonly number[], low: number = 0, high: number = 1): HostFloats {
    const words = this.words(sizeOf(shape));
    const data = Float32Array.from(words, (word) => low + (high - low) * ((word >>> 8) / 0x1000000));
    return { dtype: 'float32', shape: [...shape], data };
  }

  /**
   * Normal numbers by Box and Muller: of words (a, b), u = (a + 1/2) / 2^32 and angle 2 pi b / 2^32 make
   * sqrt(-2 ln u) cos(angle) and sqrt(-2 ln u) sin(angle), in float64, then rounded to float32.
   */
  normal(shape: readonly number[], mean: number = 0, std: number = 1): HostFloats {
    const size = sizeOf(shape);
    const words = this.words(size + (size & 1));
    const data = new Float32Array(size);
    const circle = new Float64Array(2);
    for (let i = 0; i < size; i += 2) {
      const radius = std * Math.sqrt(-2 * logOfWord(words[i]!));
      circleOfWord(words[i + 1]!, circle);
      data[i] = mean + radius * circle[0]!;
      if (i + 1 < size) data[i + 1] = mean + radius * circle[1]!;
    }
    return { dtype: 'float32', shape: [...shape], data };
  }

  /** `count` integers in [low, high), from 53 random bits each (bias below (high - low) / 2^53). */
  integers(low: number, high: number, count: number): Int32Array {
    if (!Number.isInteger(low) || !Number.isInteger(high) || high <= low) {
      throw new RangeError(`integers: wanted whole numbers low < high, received low ${low}, high ${high}`);
    }
    return Int32Array.from(this.#doubles(count), (u) => low + Math.floor(u * (high - low)));
  }

  /** One integer in [low, high). */
  integer(low: number, high: number): number {
    return this.integers(low, high, 1)[0]!;
  }

  /** The numbers 0..count-1 in random order (Fisher and Yates). */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: checkCount(count) }, (_, i) => i);
    const draws = this.#doubles(count);
    for (let i = count - 1; i > 0; i--) {
      const j = Math.floor(draws[i]! * (i + 1));
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }

  /** One element of `items`, each as likely as the other. */
  choice<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('choice: items is empty; give at least one item');
    return items[this.integer(0, items.length)]!;
  }

  #doubles(count: number): Float64Array {
    const words = this.words(2 * checkCount(count));
    return Float64Array.from({ length: count }, (_, i) => {
      return ((words[2 * i]! >>> 5) * 0x4000000 + (words[2 * i + 1]! >>> 6)) / 0x20000000000000;
    });
  }
}

function checkCount(count: number): number {
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new RangeError(`a count of random numbers must be a whole number >= 0, received ${count}`);
}

function sizeOf(shape: readonly number[]): number {
  return checkCount(shape.reduce((product, size) => product * size, 1));
}

function key(seed: number | bigint | string): Key {
  if (typeof seed === 'string') return new Key(...deriveKey(0, 0, seed));
  if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
    throw new RangeError(`random.key: a seed must be a whole number below 2^53, a bigint or a text, received ${seed}`);
  }
  const bits = BigInt.asUintN(64, BigInt(seed));
  return new Key(Number(bits & 0xffffffffn), Number(bits >> 32n));
}

/** Sources of randomness: the library's own, stateless; and PyTorch's, which advances, to reproduce published seeds. */
export const random: {
  /** The root key of a seed: an integer (taken modulo 2^64) or a text. */
  key(seed: number | bigint | string): Key;
  /** A generator in the state that `torch.manual_seed(seed)` leaves. */
  torch(seed: number | bigint): TorchGenerator;
} = { key, torch: (seed) => new TorchGenerator(seed) };

export type { TorchGenerator } from './torch-random.ts';
