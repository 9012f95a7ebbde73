/** ODE trajectories of the small teacher: sampling them into a store, and drawing from it the batches of phase 1. */
import { toFloat32 } from '../../io/index.ts';
import { elementCount } from '../../io/internal.ts';
import type { WanConfig } from '../../model/index.ts';
import { type Net, random } from '../../nn/index.ts';
import { flowSchedule, sampleTrajectories, statesFor, type TrajectoryStore } from '../../sampler/index.ts';
import type { Source, TrajectoryBatch } from '../../train/index.ts';
import type { Work } from '../networks/place.ts';
import { clipLatentShape, type SamplingParts, studentSchedule } from '../networks/settings.ts';

/** Trajectories sampled together. */
const BATCH = 16;

/** What to sample and where to. */
export interface TeacherSampling {
  /** A trajectory each. */
  prompts: readonly string[];
  store: TrajectoryStore;
  signal?: AbortSignal;
}

/** Samples the guided teacher's trajectories, keeping the states at the student's noise levels and the clean end. */
export async function* sampleTeacher(
  parts: Omit<SamplingParts, 'vae'>,
  teacher: Net<WanConfig>,
  { prompts, ...place }: TeacherSampling,
): Work {
  const { recipe, text } = parts;
  const { guidanceScale } = recipe.sampling;
  const { steps } = recipe.trajectories;
  const { shift } = recipe.student;
  const settings = {
    ...place,
    teacher,
    text,
    teacherId: teacher.about.sha256 ?? '',
    guidanceScale,
    jointGuidance: true,
    key: random.key(recipe.seed),
    shape: clipLatentShape(parts),
    batch: BATCH,
    steps,
    shift,
    keep: statesFor(studentSchedule(recipe), flowSchedule({ steps, shift })),
  };
  const jobs = prompts.map((prompt, i) => ({ id: `trajectory-${i}`, prompt, seed: i }));
  for await (const { done, total } of sampleTrajectories(jobs, settings)) {
    yield { stage: 'trajectories', done, total, values: {} };
  }
}

/** Random trajectories of a store, held in memory: at the small scale 1,400 of them are a few tens of megabytes. */
export async function trajectorySource(store: TrajectoryStore): Promise<Source<TrajectoryBatch>> {
  const records = store.records();
  const stored = await Promise.all(records.map(({ id }) => store.read(id)));
  const [first] = stored;
  if (!first) throw new Error(`${store.folder} holds no trajectories: sample some first`);
  const { shape } = first.states;
  const size = elementCount(shape);
  const states = stored.map((trajectory) => toFloat32(trajectory.states));
  return (key, count) => {
    const chosen = key.integers(0, stored.length, count);
    const data = new Float32Array(count * size);
    for (const [row, index] of chosen.entries()) data.set(states[index]!, row * size);
    return {
      states: { dtype: 'float32', shape: [count, ...shape], data },
      sigmas: first.sigmas,
      prompts: Array.from(chosen, (index) => records[index]!.prompt),
    };
  };
}
