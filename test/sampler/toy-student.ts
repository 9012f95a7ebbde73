import { type Tensor, tf } from '../../src/engine/tf.ts';
import type { BlockNoise, CausalStudent } from '../../src/sampler/index.ts';

/** What the toy's cache holds: the mean of all frames so far and their number. */
export interface ToyCache {
  mean: Tensor;
  frames: number;
}

/** Calls that a toy student received, in order. */
export interface ToyCall {
  kind: 'velocity' | 'remember';
  t: number;
  frames: number;
  cached: number;
}

/** A causal student in one line: velocity = gain x - mean of the frames before. `gain` is its only weight. */
export function toyStudent(gain: Tensor): CausalStudent<ToyCache> & { calls: ToyCall[] } {
  const calls: ToyCall[] = [];
  return {
    calls,
    blocks: { framesPerBlock: 2 },
    emptyCache: () => ({ mean: tf.scalar(0), frames: 0 }),
    velocity: (x, t, { mean, frames }) => {
      calls.push({ kind: 'velocity', t, frames: x.shape[1]!, cached: frames });
      return tf.tidy(() => x.mul(gain).sub(mean));
    },
    remember: (x0, t, { mean, frames }) => {
      const added = x0.shape[1]!;
      calls.push({ kind: 'remember', t, frames: added, cached: frames });
      const next = tf.tidy(() =>
        mean
          .mul(frames)
          .add(x0.mean().mul(added))
          .div(frames + added),
      );
      mean.dispose();
      return { mean: next, frames: frames + added };
    },
    release: ({ mean }) => {
      mean.dispose();
    },
  };
}

/** Noise that names its place: 100 block + step everywhere. */
export const labelledNoise: BlockNoise = (block, step, shape) => tf.fill(shape, block + step / 10);

/** x [1, frames, 1, 1, 1] = 1, 2, 3, ... */
export function counting(frames: number): Tensor {
  return tf.range(1, frames + 1).reshape([1, frames, 1, 1, 1]);
}
