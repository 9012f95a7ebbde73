import { setImmediate } from 'node:timers/promises';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Key, toHost, toTensor } from '../../nn/index.ts';
import { flowSchedule } from '../ode/schedule.ts';
import type { Velocity } from '../ode/solver.ts';
import { odeTrajectory } from './trajectory.ts';
import type { TrajectoryRecord, TrajectoryStore } from './trajectory-store.ts';

/** What to sample: records without their solver settings, which are the same for all. */
export type TrajectoryJob = Pick<TrajectoryRecord, 'id' | 'prompt' | 'seed'>;

/** A velocity field that may hold tensors of its own. */
export type OwnedVelocity = Velocity & { dispose?(): void };

/** Settings of `sampleTrajectories`. */
export interface TrajectorySampling {
  store: TrajectoryStore;
  /** The guided teacher for the prompts of one batch; a field with `dispose` is released after it. */
  teacher: (prompts: readonly string[]) => OwnedVelocity | Promise<OwnedVelocity>;
  /** Trajectories sampled together. Default 1. */
  batch?: number;
  /** Written into the records. */
  teacherId: string;
  guidanceScale: number;
  /** Initial noise: the stream named after a job's seed gives `shape` [F, H, W, C]. */
  key: Key;
  shape: readonly number[];
  steps: number;
  shift: number;
  /** Grid indices to keep, see `statesFor`. */
  keep: readonly number[];
  signal?: AbortSignal;
}

/** Progress of `sampleTrajectories`. */
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
  const { store, teacher, teacherId, guidanceScale, steps, shift, keep } = settings;
  const velocity = await teacher(jobs.map(({ prompt }) => prompt));
  const x = initialNoise(jobs, settings); // [B, F, H, W, C]
  const tensors: Tensor[] = [x];
  const records: TrajectoryRecord[] = [];
  try {
    const { states, sigmas } = odeTrajectory(velocity, x, flowSchedule({ steps, shift }), { keep });
    const each = tf.unstack(states, 1); // B times [M, F, H, W, C]
    tensors.push(states, ...each);
    for (const [row, { id, prompt, seed }] of jobs.entries()) {
      const record = { id, prompt, seed, teacher: teacherId, shift, guidanceScale, steps };
      await store.add(record, await toHost(each[row]!), sigmas);
      records.push(record);
    }
    return records;
  } finally {
    velocity.dispose?.();
    tf.dispose(tensors);
  }
}

/** The noise of each job from the stream of its seed, whatever it is batched with. */
function initialNoise(jobs: readonly TrajectoryJob[], { key, shape }: TrajectorySampling): Tensor {
  const root = key.stream('trajectory');
  return tf.tidy(() => tf.stack(jobs.map(({ seed }) => toTensor(root.stream(seed).normal(shape)))));
}
