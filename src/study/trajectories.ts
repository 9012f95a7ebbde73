/** Stored ODE trajectories as the batches that phase 1 takes. */
import { toFloat32 } from '../io/index.ts';
import type { TrajectoryStore } from '../sampler/index.ts';
import type { Source, TrajectoryBatch } from '../train/index.ts';

/** Random trajectories of a store, held in memory: at the small scale 1,400 of them are a few tens of megabytes. */
export async function trajectorySource(store: TrajectoryStore): Promise<Source<TrajectoryBatch>> {
  const records = store.records();
  const stored = await Promise.all(records.map(({ id }) => store.read(id)));
  const [first] = stored;
  if (!first) throw new Error(`${store.folder} holds no trajectories: sample some first`);
  const { shape } = first.states;
  const size = shape.reduce((a, b) => a * b, 1);
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
