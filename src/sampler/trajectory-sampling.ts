import { setImmediate } from 'node:timers/promises';
import { tf } from '../engine/tf.ts';
import { type Key, toHost, toTensor } from '../nn/index.ts';
import { flowSchedule } from './schedule.ts';
import type { Velocity } from './solver.ts';
import { odeTrajectory } from './trajectory.ts';
import type { TrajectoryRecord, TrajectoryStore } from './trajectory-store.ts';

/** What to sample: records without their solver settings, which are the same for all. */
export type TrajectoryJob = Pick<TrajectoryRecord, 'id' | 'prompt' | 'seed'>;

/** Settings of `sampleTrajectories`. */
export interface TrajectorySampling {
  store: TrajectoryStore;
  /** The guided teacher for a prompt. */
  teacher: (prompt: string) => Velocity | Promise<Velocity>;
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
  const { store, teacherId, guidanceScale, steps, shift, signal } = settings;
  let done = jobs.filter(({ id }) => store.has(id)).length;
  for (const { id, prompt, seed } of jobs) {
    if (store.has(id)) continue;
    signal?.throwIfAborted();
    const record = { id, prompt, seed, teacher: teacherId, shift, guidanceScale, steps };
    await sampleInto(record, settings);
    await setImmediate();
    yield { record, done: ++done, total: jobs.length };
  }
}

async function sampleInto(record: TrajectoryRecord, settings: TrajectorySampling): Promise<void> {
  const { store, teacher, key, shape, steps, shift, keep } = settings;
  const velocity = await teacher(record.prompt);
  const x = toTensor(
    key
      .stream('trajectory')
      .stream(record.seed)
      .normal([1, ...shape]),
  ); // [1, F, H, W, C]
  const { states, sigmas } = odeTrajectory(velocity, x, flowSchedule({ steps, shift }), { keep });
  const flat = states.squeeze([1]); // [M, F, H, W, C]
  try {
    await store.add(record, await toHost(flat), sigmas);
  } finally {
    tf.dispose([x, states, flat]);
  }
}
