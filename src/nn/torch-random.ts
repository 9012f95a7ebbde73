import { elementCount } from '../io/internal.ts';
import type { HostFloats } from './tensors.ts';

const stateSize = 624;
const shiftSize = 397;

/** The 32-bit Mersenne Twister of Matsumoto and Nishimura (1998), seeded as PyTorch's CPU generator seeds it. */
class MersenneTwister {
  readonly #state: Uint32Array = new Uint32Array(stateSize);
  #next: number = stateSize;

  constructor(seed: number) {
    this.#state[0] = seed;
    for (let i = 1; i < stateSize; i++) {
      const previous = this.#state[i - 1]! ^ (this.#state[i - 1]! >>> 30);
      this.#state[i] = Math.imul(1812433253, previous) + i;
    }
  }

  word(): number {
    if (this.#next === stateSize) this.#refill();
    let y = this.#state[this.#next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < stateSize; i++) {
      const y = (state[i]! & 0x80000000) | (state[(i + 1) % stateSize]! & 0x7fffffff);
      state[i] = state[(i + shiftSize) % stateSize]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}

/**
 * PyTorch's CPU generator: `random.torch(seed).normal(shape)` follows `torch.manual_seed(seed); torch.randn(shape)`
 * to about 1e-6 (PyTorch computes its logarithms and cosines in float32 vectors).
 * Unlike a `Key` it has a state: each draw continues where the last one stopped.
 * Source: PyTorch aten/src/ATen/native/cpu/DistributionTemplates.h, ATen/core/DistributionsHelper.h.
 */
export class TorchGenerator {
  readonly #engine: MersenneTwister;
  #spare: number | null = null;

  /** @throws RangeError for a seed that `torch.manual_seed` refuses, too. */
  constructor(seed: number | bigint) {
    if (typeof seed === 'number' && !Number.isSafeInteger(seed)) {
      throw new RangeError(`seed: wanted a whole number, above 2^53 as bigint, received ${seed}`);
    }
    const whole = BigInt(seed);
    if (whole < -(2n ** 63n) || whole >= 2n ** 64n) {
      throw new RangeError(`seed: wanted -2^63 to 2^64 - 1, as PyTorch, received ${seed}`);
    }
    this.#engine = new MersenneTwister(Number(BigInt.asUintN(32, whole)));
  }

  /** Standard normal float32 numbers in the order of `torch.randn(shape)`, for contiguous tensors. */
  normal(shape: readonly number[]): HostFloats {
    const data = new Float32Array(elementCount(shape));
    if (data.length < 16) this.#fillOneByOne(data);
    else this.#fillBySixteen(data);
    return { dtype: 'float32', shape: [...shape], data };
  }

  /** Uniform float32 numbers in [0, 1) in the order of `torch.rand(shape)`. */
  uniform(shape: readonly number[]): HostFloats {
    const data = new Float32Array(elementCount(shape));
    this.#fillUniform(data);
    return { dtype: 'float32', shape: [...shape], data };
  }

  #fillUniform(data: Float32Array): void {
    for (let i = 0; i < data.length; i++) data[i] = (this.#engine.word() & 0xffffff) / 0x1000000;
  }

  /** Fewer than 16 numbers: Box and Muller in float64, the sine kept for the next draw, also of a later call. */
  #fillOneByOne(data: Float32Array): void {
    for (let i = 0; i < data.length; i++) {
      if (this.#spare !== null) {
        data[i] = this.#spare;
        this.#spare = null;
        continue;
      }
      const angle = 2 * Math.PI * this.#double();
      const radius = Math.sqrt(-2 * Math.log1p(-this.#double()));
      data[i] = radius * Math.cos(angle);
      this.#spare = radius * Math.sin(angle);
    }
  }

  /** 16 and more: uniforms in place, transformed in groups of 16; an incomplete last group is drawn anew. */
  #fillBySixteen(data: Float32Array): void {
    this.#fillUniform(data);
    for (let start = 0; start + 16 <= data.length; start += 16) transformSixteen(data.subarray(start, start + 16));
    if (data.length % 16 === 0) return;
    const tail = data.subarray(data.length - 16);
    this.#fillUniform(tail);
    transformSixteen(tail);
  }

  #double(): number {
    const high = this.#engine.word() & 0x1fffff;
    return (high * 0x100000000 + this.#engine.word()) / 0x20000000000000;
  }
}

function transformSixteen(data: Float32Array): void {
  for (let i = 0; i < 8; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - data[i]!));
    const angle = 2 * Math.PI * data[i + 8]!;
    data[i] = radius * Math.cos(angle);
    data[i + 8] = radius * Math.sin(angle);
  }
}
