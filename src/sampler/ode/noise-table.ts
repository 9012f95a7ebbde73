import { trainingSteps } from './schedule.ts';

/** Which grid a noise table holds. */
export interface NoiseTableOptions {
  /** Timestep shift of the network (Self-Forcing 5, CausVid 8). */
  shift: number;
  /** Number of grid points. */
  steps?: number;
  /** Lowest level before the shift. */
  sigmaMin?: number;
  /** Whether one more point is laid and the last one, sigmaMin itself, dropped. */
  dropLast?: boolean;
  /** Share of the way from sigmaMin to 1 at which the grid starts. */
  strength?: number;
}

/**
 * The float32 grid of noise levels that Self-Forcing trains on. Timesteps are looked up: the nearest grid point
 * counts, the earlier one on a tie, so that t = 0 means the last level (small, not 0).
 * Source: Self-Forcing utils/scheduler.py, FlowMatchScheduler.
 */
export class NoiseTable {
  readonly shift: number;
  /** Noise levels from high to low. */
  readonly sigmas: Float32Array;
  /** 1000 sigma, rounded to float32. */
  readonly timesteps: Float32Array;
  /** Training weight of each level; they sum to 1000. */
  readonly weights: Float32Array;

  constructor({ shift, steps = trainingSteps, sigmaMin = 0, dropLast = true, strength = 1 }: NoiseTableOptions) {
    this.shift = shift;
    const start = sigmaMin + (1 - sigmaMin) * strength;
    this.sigmas = linspace32(start, sigmaMin, dropLast ? steps + 1 : steps)
      .subarray(0, steps)
      .map((sigma) => shift32(sigma, shift));
    this.timesteps = this.sigmas.map((sigma) => trainingSteps * sigma);
    this.weights = trainingWeights(this.timesteps);
  }

  /** Index of the grid point nearest to t, the first of equals. */
  indexOf(t: number): number {
    if (!Number.isFinite(t)) throw new RangeError(`a timestep must be a finite number in 0..1000, received ${t}`);
    let best = 0;
    let distance = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.timesteps.length; i++) {
      const d = Math.abs(Math.fround(this.timesteps[i]! - t));
      if (d < distance) [best, distance] = [i, d];
    }
    return best;
  }

  /** Noise level of the grid point nearest to t. */
  sigmaOf(t: number): number {
    return this.sigmas[this.indexOf(t)]!;
  }

  /** Training weight of the grid point nearest to t. */
  weightOf(t: number): number {
    return this.weights[this.indexOf(t)]!;
  }

  /** Noise level after the one nearest to t on this grid; 0 after the last. */
  nextSigmaOf(t: number): number {
    return this.sigmas[this.indexOf(t) + 1] ?? 0;
  }
}

/** A noise table with the given shift; see `NoiseTable`. */
export function noiseTable(options: NoiseTableOptions): NoiseTable {
  return new NoiseTable(options);
}

/** PyTorch's float32 linspace: both halves are laid from their own end. */
function linspace32(start: number, end: number, count: number): Float32Array {
  const { fround } = Math;
  const step = fround((fround(end) - fround(start)) / (count - 1));
  return Float32Array.from({ length: count }, (_, i) =>
    i < Math.floor(count / 2) ? fround(start) + step * i : fround(end) - step * (count - 1 - i),
  );
}

function shift32(sigma: number, shift: number): number {
  const { fround } = Math;
  return fround(fround(shift * sigma) / fround(1 + fround((shift - 1) * sigma)));
}

/** `w_i = (y_i - min y) 1000 / sum(y - min y)`, `y_i = exp(-2 ((t_i - 500) / 1000)^2)`: mid levels weigh most. */
function trainingWeights(timesteps: Float32Array): Float32Array {
  const bell = Float64Array.from(timesteps, (t) => Math.exp(-2 * ((t - trainingSteps / 2) / trainingSteps) ** 2));
  const lowest = bell.reduce((least, y) => Math.min(least, y), Number.POSITIVE_INFINITY);
  const total = bell.reduce((sum, y) => sum + (y - lowest), 0);
  return Float32Array.from(bell, (y) => ((y - lowest) * trainingSteps) / total);
}
