/** Noise levels: grids of solvers, and the table that Self-Forcing trains on. */

/** Noise levels from high to low and the timesteps at which a network is called. Host numbers only. */
export interface Schedule {
  /** N + 1 noise levels; the last one is where sampling ends, usually 0. */
  readonly sigmas: Float64Array;
  /** N timesteps in 0..1000, the ones the network receives. */
  readonly timesteps: Float64Array;
}

/** Number of grid points a timestep axis has in Wan and Self-Forcing. */
export const trainingSteps: number = 1000;

/** Moves noise levels towards 1: `shift sigma / (1 + (shift - 1) sigma)` (Esser et al. 2024, eq. 23). */
export function shiftSigma(sigma: number, shift: number): number {
  return (shift * sigma) / (1 + (shift - 1) * sigma);
}

/** A schedule of N noise levels and the final 0, timestep = 1000 sigma unless given. */
function scheduleFromSigmas(levels: Float64Array, timesteps = levels.map((sigma) => trainingSteps * sigma)): Schedule {
  return { sigmas: Float64Array.of(...levels, 0), timesteps };
}

/** Size of a solver's grid. */
export interface GridOptions {
  steps: number;
  /** Timestep shift; 1 leaves the grid linear. */
  shift: number;
}

/**
 * The flow-matching grid `sigma_i = shift(1 - i / N)`, i = 0..N-1, then 0; timesteps are not rounded.
 * Used by Self-Forcing and CausVid for Euler sampling and ODE trajectories.
 */
export function flowSchedule(options: GridOptions): Schedule {
  return scheduleFromSigmas(levels(1, 0, options));
}

/**
 * Wan's grid for UniPC: starts at shift(0.999), timesteps cut to integers (Wan2.1 fm_solvers_unipc.py). The start is a
 * float32 there, a little above 0.999, so that whole timesteps such as 666 are not cut to the one below.
 */
export function uniPCSchedule(options: GridOptions): Schedule {
  return truncated(levels(Math.fround(0.999), 0, options));
}

/** Wan's grid for DPM++: starts at exactly 1, timesteps cut to integers (Wan2.1 fm_solvers.py). */
export function dpmSchedule(options: GridOptions): Schedule {
  return truncated(levels(1, 0, options));
}

/** The first N of N + 1 equally spaced levels from `start` to `end`, shifted. */
function levels(start: number, end: number, { steps, shift }: GridOptions): Float64Array {
  checkCount('steps', steps);
  if (!(shift > 0 && shift < Number.POSITIVE_INFINITY))
    throw new RangeError(`shift: wanted a number above 0 (1 = no shift), received ${shift}`);
  const step = (end - start) / steps;
  return Float64Array.from({ length: steps }, (_, i) => shiftSigma(start + step * i, shift));
}

function truncated(levels: Float64Array): Schedule {
  return scheduleFromSigmas(
    levels,
    levels.map((sigma) => Math.trunc(trainingSteps * sigma)),
  );
}

/** @throws RangeError unless it is a whole number of at least 1. */
export function checkCount(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) {
    throw new RangeError(`${name}: wanted a whole number >= 1, received ${value}`);
  }
}

/** Fails unless the schedule has one more noise level than timesteps and its levels fall. */
export function checkSchedule({ sigmas, timesteps }: Schedule): void {
  if (sigmas.length !== timesteps.length + 1 || timesteps.length === 0) {
    throw new RangeError(
      `schedule: wanted N >= 1 timesteps and N + 1 sigmas, received ${timesteps.length} and ${sigmas.length}; ` +
        'append the final level (0) to sigmas',
    );
  }
  const rising = sigmas.findIndex((sigma, i) => i > 0 && !(sigma < sigmas[i - 1]!));
  if (rising > 0) {
    throw new RangeError(
      `schedule: wanted sigmas that fall, received sigmas[${rising}] = ${sigmas[rising]} after ${sigmas[rising - 1]}`,
    );
  }
}

/**
 * The float32 grid of noise levels that Self-Forcing trains on. Timesteps are looked up: the nearest grid point
 * counts, the earlier one on a tie, so that t = 0 means the last level (small, not 0).
 * Source: Self-Forcing utils/scheduler.py, FlowMatchScheduler.
 */
export class FlowMatchScheduler {
  readonly sigmas: Float32Array;
  /** 1000 sigma, rounded to float32. */
  readonly timesteps: Float32Array;

  /** @param shift - timestep shift of the network (Self-Forcing 5, CausVid 8) */
  constructor(shift: number) {
    const grid = linspace32(1, 0, trainingSteps + 1).subarray(0, trainingSteps);
    this.sigmas = grid.map((sigma) => shift32(sigma, shift));
    this.timesteps = this.sigmas.map((sigma) => trainingSteps * sigma);
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

  sigmaOf(t: number): number {
    return this.sigmas[this.indexOf(t)]!;
  }
}

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
  const table = new FlowMatchScheduler(shift);
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
