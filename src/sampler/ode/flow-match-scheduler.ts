/** The table of noise levels that Self-Forcing trains on, and the lists of steps that are read from it. */
import { checkSchedule, type Schedule, trainingSteps } from './schedule.ts';

/** Which grid a scheduler holds. */
export interface FlowMatchOptions {
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
export class FlowMatchScheduler {
  readonly shift: number;
  /** Noise levels from high to low. */
  readonly sigmas: Float32Array;
  /** 1000 sigma, rounded to float32. */
  readonly timesteps: Float32Array;
  /** Training weight of each level; they sum to 1000. */
  readonly weights: Float32Array;

  constructor({ shift, steps = trainingSteps, sigmaMin = 0, dropLast = true, strength = 1 }: FlowMatchOptions) {
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
    if (!Number.isFinite(t)) throw new RangeError(`t: wanted a finite number in 0..1000, received ${t}`);
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

/** Which steps a few-step student takes. */
export interface DenoisingStepsOptions {
  /** Timestep shift of the student's noise table. */
  shift: number;
  /** Whether the nominal list is warped through the table, as Self-Forcing does (`warp_denoising_step`). */
  warp?: boolean;
}

/**
 * Schedule of a nominal list such as [1000, 750, 500, 250] (a trailing 0 means "clean" and is dropped).
 * Warped: nominal n becomes the table's entry 1000 - n, that is 1000 shift(n / 1000); shift 5 gives
 * 1000, 937.5, 833.33, 625. Noise levels are the table's. Source: Self-Forcing pipeline/causal_inference.py.
 */
export function denoisingSteps(list: readonly number[], { shift, warp = true }: DenoisingStepsOptions): Schedule {
  const nominal = list.at(-1) === 0 ? list.slice(0, -1) : list;
  const table = new FlowMatchScheduler({ shift });
  const timesteps = Float64Array.from(warp ? warpTimesteps(nominal, table) : nominal);
  const sigmas = new Float64Array(nominal.length + 1);
  sigmas.set(timesteps.map((t) => table.sigmaOf(t)));
  const schedule = { sigmas, timesteps };
  checkSchedule(schedule);
  return schedule;
}

/** The table's timestep of each nominal value (index 1000 - value; 0 stays 0). */
export function warpTimesteps(nominal: readonly number[], table: FlowMatchScheduler): number[] {
  return nominal.map((value) => {
    if (Number.isInteger(value) && value >= 0 && value <= trainingSteps)
      return table.timesteps[trainingSteps - value] ?? 0;
    throw new RangeError(`list: wanted whole numbers in 0..1000 to warp, received ${value}`);
  });
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
