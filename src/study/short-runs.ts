/** Both phases for a few steps, from the shipped weights: enough to see the curves move, not to reach the results. */
import type { HostTensor } from '../io/index.ts';
import type { WanConfig } from '../model/index.ts';
import { random } from '../nn/index.ts';
import type { TrajectoryRecord, TrajectoryStore } from '../sampler/index.ts';
import type { RateSchedule, TrainStep } from '../train/index.ts';
import type { Net } from './generate.ts';
import type { Networks } from './networks.ts';
import { phase1, phase2 } from './phases.ts';
import { sampleTeacher, trajectorySource } from './trajectories.ts';
import { type Progress, trainingProgress, type Work } from './workshop.ts';
import { promptSource } from './world.ts';

/** Length of a short run. */
export interface ShortRun {
  steps: number;
  batch: number;
}

/** Numbers of each step, by name. */
export type Curves = Readonly<Record<string, readonly number[]>>;

/** A trained copy and how it went. */
export interface Trained {
  net: Net<WanConfig>;
  curves: Curves;
}

/** Trajectories of the teacher for the training prompts, kept in memory. */
export async function* shortTrajectories(
  networks: Networks,
  count: number,
  signal?: AbortSignal,
): Work<TrajectoryStore> {
  const prompts = await promptSource()(random.key(networks.recipe.seed).stream('demo-trajectories'), count);
  const store = memoryStore();
  yield* sampleTeacher(networks, networks.teacher, { prompts, store, ...(signal && { signal }) });
  return store;
}

/** Phase 1 from the distilled weights. */
export async function* shortPhase1(
  networks: Networks,
  store: TrajectoryStore,
  { signal, ...run }: ShortRun & { signal?: AbortSignal },
): Work<Trained> {
  const { recipe, distilled } = networks;
  const net = copyOf(distilled);
  const data = await trajectorySource(store);
  const options = { ...recipe.ode, ...run, lr: peak(recipe.ode.lr), seed: recipe.seed, ...(signal && { signal }) };
  const curves = yield* recorded('short phase 1', run.steps, phase1(networks, net, data, options));
  signal?.throwIfAborted();
  return { net, curves };
}

/** Phase 2 from the shipped student of phase 1, the reward on the last frame. */
export async function* shortPhase2(
  networks: Networks,
  { signal, ...run }: ShortRun & { signal?: AbortSignal },
): Work<Trained> {
  const { recipe, students } = networks;
  const net = copyOf(students.ode);
  const own = recipe.reward.train;
  const options = { ...own, ...run, lr: peak(own.lr), seed: recipe.seed, ...(signal && { signal }) };
  const curves = yield* recorded('short phase 2', run.steps, phase2(networks, net, options));
  signal?.throwIfAborted();
  return { net, curves };
}

function copyOf({ weights, config }: Net<WanConfig>): Net<WanConfig> {
  return { weights: weights.clone(), config };
}

/** The highest rate of a schedule: a run of a few steps has no time to warm up and decay. */
function peak(rate: number | RateSchedule): number {
  return typeof rate === 'number' ? rate : rate.lr;
}

async function* recorded(stage: string, total: number, steps: AsyncGenerator<TrainStep, void>): Work<Curves> {
  const all: Progress['values'][] = [];
  for await (const progress of trainingProgress(stage, total, steps)) {
    all.push(progress.values);
    yield progress;
  }
  const names = Object.keys(all[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, all.map((values) => values[name]!)]));
}

/** A trajectory store that lives as long as the process. */
function memoryStore(): TrajectoryStore {
  const all = new Map<string, { record: TrajectoryRecord; states: HostTensor; sigmas: Float64Array }>();
  return {
    folder: 'memory',
    records: () => [...all.values()].map(({ record }) => record),
    has: (id) => all.has(id),
    add: async (record, states, sigmas) => {
      all.set(record.id, { record, states, sigmas });
    },
    read: async (id) => all.get(id)!,
  };
}
