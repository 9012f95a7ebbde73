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

/** `count` equally spaced numbers from `start` to `end`, both included. */
export function linspace(start: number, end: number, count: number): Float64Array {
  const step = count > 1 ? (end - start) / (count - 1) : 0;
  return Float64Array.from({ length: count }, (_, i) => start + step * i);
}

/** Builds a schedule from N noise levels: appends the final 0, timestep = 1000 sigma unless given. */
export function scheduleFromSigmas(levels: ArrayLike<number>, timesteps?: ArrayLike<number>): Schedule {
  const sigmas = new Float64Array(levels.length + 1);
  sigmas.set(Array.from(levels));
  return { sigmas, timesteps: Float64Array.from(timesteps ?? levels, (t) => (timesteps ? t : trainingSteps * t)) };
}

/** Size of a solver's grid. */
export interface GridOptions {
  /** Number of solver steps N. */
  steps: number;
  /** Timestep shift; 1 leaves the grid linear. */
  shift: number;
}

/**
 * The flow-matching grid `sigma_i = shift(1 - i / N)`, i = 0..N-1, then 0; timesteps are not rounded.
 * Used by Self-Forcing and CausVid for Euler sampling and ODE trajectories.
 */
export function flowSchedule({ steps, shift }: GridOptions): Schedule {
  checkGrid(steps, shift);
  return scheduleFromSigmas(shifted(linspace(1, 0, steps + 1).subarray(0, steps), shift));
}

/**
 * Wan's grid for UniPC: starts at shift(0.999), timesteps cut to integers (Wan2.1 fm_solvers_unipc.py). The start is a
 * float32 there, a little above 0.999, so that whole timesteps such as 666 are not cut to the one below.
 */
export function uniPCSchedule({ steps, shift }: GridOptions): Schedule {
  checkGrid(steps, shift);
  return truncated(shifted(linspace(Math.fround(0.999), 0, steps + 1).subarray(0, steps), shift));
}

/** Wan's grid for DPM++: starts at exactly 1, timesteps cut to integers (Wan2.1 fm_solvers.py). */
export function dpmSchedule({ steps, shift }: GridOptions): Schedule {
  checkGrid(steps, shift);
  return truncated(shifted(linspace(1, 0, steps + 1).subarray(0, steps), shift));
}

/**
 * The grid of diffusers' FlowMatchEulerDiscreteScheduler: N points between the shifted ends of the training grid,
 * shifted once more; its last level before 0 is small but not the next point of a linear grid.
 */
export function eulerDiscreteSchedule({ steps, shift }: GridOptions): Schedule {
  checkGrid(steps, shift);
  return scheduleFromSigmas(shifted(linspace(1, shiftSigma(1 / trainingSteps, shift), steps), shift));
}

/** The grid of diffusers' UniPCMultistepScheduler with flow sigmas: down to 1/1000, the first level just below 1. */
export function uniPCDiffusersSchedule({ steps, shift }: GridOptions): Schedule {
  checkGrid(steps, shift);
  const levels = shifted(linspace(1, 1 / trainingSteps, steps + 1).subarray(0, steps), shift);
  return truncated(levels.map((sigma) => Math.min(sigma, 1 - 1e-6)));
}

function shifted(levels: Float64Array, shift: number): Float64Array {
  return levels.map((sigma) => shiftSigma(sigma, shift));
}

function truncated(levels: Float64Array): Schedule {
  return scheduleFromSigmas(
    levels,
    levels.map((sigma) => Math.trunc(trainingSteps * sigma)),
  );
}

function checkGrid(steps: number, shift: number): void {
  if (!Number.isInteger(steps) || steps < 1)
    throw new RangeError(`steps: wanted a whole number >= 1, received ${steps}`);
  if (!(shift > 0 && shift < Number.POSITIVE_INFINITY))
    throw new RangeError(`shift: wanted a number above 0 (1 = no shift), received ${shift}`);
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
