/** The grids of diffusers' schedulers, for solvers that are compared with theirs. */
import type { GridOptions, Schedule } from '../../src/sampler/index.ts';
import { shiftSigma } from '../../src/sampler/ode/schedule.ts';

/** FlowMatchEulerDiscreteScheduler: N points between the shifted ends of the training grid, shifted once more. */
export function eulerDiscreteSchedule({ steps, shift }: GridOptions): Schedule {
  const end = shiftSigma(1 / 1000, shift);
  const step = steps > 1 ? (end - 1) / (steps - 1) : 0;
  const levels = Float64Array.from({ length: steps }, (_, i) => shiftSigma(1 + step * i, shift));
  return { sigmas: Float64Array.of(...levels, 0), timesteps: levels.map((sigma) => 1000 * sigma) };
}

/** UniPCMultistepScheduler with flow sigmas: down to 1/1000, the first level just below 1, whole timesteps. */
export function uniPCDiffusersSchedule({ steps, shift }: GridOptions): Schedule {
  const step = (1 / 1000 - 1) / steps;
  const levels = Float64Array.from({ length: steps }, (_, i) => Math.min(shiftSigma(1 + step * i, shift), 1 - 1e-6));
  return { sigmas: Float64Array.of(...levels, 0), timesteps: levels.map((sigma) => Math.trunc(1000 * sigma)) };
}
