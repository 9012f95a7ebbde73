import { type Tensor, tf } from '../../engine/tf.ts';
import { euler } from '../ode/euler.ts';
import type { Schedule } from '../ode/schedule.ts';
import type { Sampler, SamplerOptions, Velocity } from '../ode/solver.ts';

/** States of one path from noise to a clean sample. */
export interface Trajectory {
  /** Samples at the kept noise levels [M, ...shape of x], noisiest first. */
  states: Tensor;
  /** Their noise levels; a student's timesteps are derived from these, 1000 sigma. */
  sigmas: Float64Array;
}

/** Options of `odeTrajectory`. */
export interface TrajectoryOptions extends SamplerOptions {
  /** Grid indices 0..N to keep, rising; state i is the sample before step i, state N the clean result. */
  keep: readonly number[];
  /** Default `euler`, as CausVid and Self-Forcing use. */
  sampler?: Sampler;
}

/** Integrates the teacher's ODE and keeps the states at the given grid points. The caller disposes `states`. */
export function odeTrajectory(
  velocity: Velocity,
  x: Tensor,
  schedule: Schedule,
  options: TrajectoryOptions,
): Trajectory {
  const { keep, sampler = euler, onStep } = options;
  checkKeep(keep, schedule.timesteps.length);
  const kept = new Set(keep);
  const states: Tensor[] = kept.has(0) ? [x.clone()] : [];
  const end = sampler(velocity, x, schedule, {
    onStep: (step) => {
      if (kept.has(step.index + 1)) states.push(step.next.clone());
      onStep?.(step);
    },
  });
  const stacked = tf.stack(states); // [M, ...]
  tf.dispose([...states, end]);
  return { states: stacked, sigmas: Float64Array.from(keep, (index) => schedule.sigmas[index]!) };
}

/**
 * Grid points whose timesteps are those of a student's list, and the clean end: for N = 48 and the list
 * [1000, 750, 500, 250] with the same shift 0, 12, 24, 36, 48.
 *
 * @throws RangeError if a timestep of the list does not lie on the grid (within `tolerance`).
 */
export function statesFor(student: Schedule, grid: Schedule, tolerance: number = 0.01): number[] {
  const indices = Array.from(student.timesteps, (t) => {
    const distances = grid.timesteps.map((own) => Math.abs(own - t));
    const nearest = distances.indexOf(Math.min(...distances));
    if (distances[nearest]! <= tolerance) return nearest;
    throw new RangeError(
      `timestep ${t} is not on the grid (nearest ${grid.timesteps[nearest]}): use the student's shift for the grid and ` +
        'a number of steps that its list divides, such as 48',
    );
  });
  return [...indices, grid.timesteps.length];
}

function checkKeep(keep: readonly number[], steps: number): void {
  const valid = keep.every(
    (index, i) => Number.isInteger(index) && index >= 0 && index <= steps && !(index <= keep[i - 1]!),
  );
  if (keep.length > 0 && valid) return;
  throw new RangeError(`keep: wanted rising grid indices in 0..${steps}, received [${keep.join(', ')}]`);
}
