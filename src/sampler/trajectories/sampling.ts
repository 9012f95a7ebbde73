/** ODE trajectories of a teacher, which the first phase regresses onto: one path, and many of them into a store. */
import { setImmediate } from 'node:timers/promises';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { TextEncoder, WanConfig } from '../../model/internal.ts';
import { type Key, type Part, toHost, toTensor } from '../../nn/index.ts';
import { checkCount, flowSchedule, type Schedule } from '../ode/schedule.ts';
import type { Velocity } from '../ode/solver.ts';
import { euler } from '../ode/solvers.ts';
import { type TextGuidance, textVelocity } from '../ode/velocity.ts';
import type { TrajectoryRecord, TrajectoryStore } from './store.ts';

/** States of one path from noise to a clean sample. */
export interface Trajectory {
  /** Samples at the kept noise levels [M, ...shape of x], noisiest first. */
  states: Tensor;
  /** Their noise levels; a student's timesteps are derived from these, 1000 sigma. */
  sigmas: Float64Array;
}

/** Integrates the teacher's ODE by Euler's method, as CausVid does; state i of `keep` is the sample before step i, N the end. */
export function odeTrajectory(velocity: Velocity, x: Tensor, schedule: Schedule, keep: readonly number[]): Trajectory {
  checkKeep(keep, schedule.timesteps.length);
  const kept = new Set(keep);
  const states: Tensor[] = kept.has(0) ? [x.clone()] : [];
  const end = euler(velocity, x, schedule, {
    onStep: ({ index, next }) => {
      if (kept.has(index + 1)) states.push(next.clone());
    },
  });
  const stacked = tf.stack(states); // [M, ...]
  tf.dispose([...states, end]);
  return { states: stacked, sigmas: Float64Array.from(keep, (index) => schedule.sigmas[index]!) };
}

/** Timesteps nearer than this are the same. */
const TOLERANCE = 0.01;

/**
 * Grid points whose timesteps are those of a student's list, and the clean end: for N = 48 and the list
 * [1000, 750, 500, 250] with the same shift 0, 12, 24, 36, 48.
 *
 * @throws RangeError if a timestep of the list does not lie on the grid.
 */
export function statesFor(student: Schedule, grid: Schedule): number[] {
  const indices = Array.from(student.timesteps, (t) => {
    const distances = grid.timesteps.map((own) => Math.abs(own - t));
    const nearest = distances.indexOf(Math.min(...distances));
    if (distances[nearest]! <= TOLERANCE) return nearest;
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

/** What to sample: records without their solver settings, which are the same for all. */
export type TrajectoryJob = Pick<TrajectoryRecord, 'id' | 'prompt' | 'seed'>;

export interface TrajectorySampling extends TextGuidance {
  store: TrajectoryStore;
  teacher: Part<WanConfig>;
  text: TextEncoder;
  /** Trajectories sampled together. @defaultValue 1 */
  batch?: number;
  /** Written into the records, for instance the checksum of the teacher's file. */
  teacherId: string;
  /** Initial noise: the stream named after a job's seed gives `shape` [F, H, W, C]. */
  key: Key;
  shape: readonly number[];
  steps: number;
  shift: number;
  /** Grid indices to keep, see `statesFor`. */
  keep: readonly number[];
}

export interface TrajectoryProgress {
  record: TrajectoryRecord;
  done: number;
  total: number;
}

/**
 * Samples one ODE trajectory per job into a store and yields each; jobs that the store already has are passed over,
 * so that an interrupted run goes on where it stopped and ends with the same files.
 */
export async function* sampleTrajectories(
  jobs: readonly TrajectoryJob[],
  settings: TrajectorySampling,
): AsyncGenerator<TrajectoryProgress, void> {
  const { store, batch = 1, signal } = settings;
  checkCount('batch', batch);
  const left = jobs.filter(({ id }) => !store.has(id));
  let done = jobs.length - left.length;
  for (let at = 0; at < left.length; at += batch) {
    signal?.throwIfAborted();
    for (const record of await sampleBatch(left.slice(at, at + batch), settings)) {
      yield { record, done: ++done, total: jobs.length };
    }
    await setImmediate();
  }
}

async function sampleBatch(jobs: readonly TrajectoryJob[], settings: TrajectorySampling): Promise<TrajectoryRecord[]> {
  const { store, teacher, text, teacherId, guidanceScale, steps, shift, keep } = settings;
  const prompts = jobs.map(({ prompt }) => prompt);
  const velocity = await textVelocity(teacher, text, prompts, settings);
  const x = initialNoise(jobs, settings); // [B, F, H, W, C]
  const tensors: Tensor[] = [x];
  const records: TrajectoryRecord[] = [];
  try {
    const { states, sigmas } = odeTrajectory(velocity, x, flowSchedule({ steps, shift }), keep);
    const each = tf.unstack(states, 1); // B times [M, F, H, W, C]
    tensors.push(states, ...each);
    for (const [row, { id, prompt, seed }] of jobs.entries()) {
      const record = { id, prompt, seed, teacher: teacherId, shift, guidanceScale, steps };
      await store.add(record, await toHost(each[row]!), sigmas);
      records.push(record);
    }
    return records;
  } finally {
    velocity.dispose();
    tf.dispose(tensors);
  }
}

/** The noise of each job from the stream of its seed, whatever it is batched with. */
function initialNoise(jobs: readonly TrajectoryJob[], { key, shape }: TrajectorySampling): Tensor {
  const root = key.stream('trajectory');
  return tf.tidy(() => tf.stack(jobs.map(({ seed }) => toTensor(root.stream(seed).normal(shape)))));
}
