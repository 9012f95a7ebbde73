import { type Tensor, tf } from '../../src/engine/tf.ts';
import type { KvCache } from '../../src/model/index.ts';
import type { CausalStudent } from '../../src/sampler/index.ts';
import type { BlockNoise } from '../../src/sampler/internal.ts';

/** The toy's cache holds the mean of all frames so far as its only key, and their number as its length. */
function toyCache(mean: Tensor, frames: number): KvCache {
  return { layers: [{ k: mean, v: mean }], globalEnd: frames, localEnd: frames, capacity: Number.POSITIVE_INFINITY };
}

function meanOf({ layers }: KvCache): Tensor {
  return layers[0]!.k;
}

/** Calls that a toy student received, in order. */
export interface ToyCall {
  kind: 'velocity' | 'remember';
  t: number;
  frames: number;
  cached: number;
}

/** A causal student in one line: velocity = gain x - mean of the frames before. `gain` is its only weight. */
export function toyStudent(gain: Tensor): CausalStudent & { calls: ToyCall[] } {
  const calls: ToyCall[] = [];
  return {
    calls,
    blocks: { framesPerBlock: 2 },
    emptyCache: () => toyCache(tf.scalar(0), 0),
    velocity: (x, t, cache) => {
      calls.push({ kind: 'velocity', t, frames: x.shape[1]!, cached: cache.globalEnd });
      return tf.tidy(() => x.mul(gain).sub(meanOf(cache)));
    },
    remember: (x0, t, cache) => {
      const [mean, frames] = [meanOf(cache), cache.globalEnd];
      const added = x0.shape[1]!;
      calls.push({ kind: 'remember', t, frames: added, cached: frames });
      const next = tf.tidy(() =>
        mean
          .mul(frames)
          .add(x0.mean().mul(added))
          .div(frames + added),
      );
      mean.dispose();
      return toyCache(next, frames + added);
    },
    release: (cache) => {
      meanOf(cache).dispose();
    },
  };
}

/** Noise that names its place: 100 block + step everywhere. */
export const labelledNoise: BlockNoise = (block, step, shape) => tf.fill(shape, block + step / 10);

/** x [1, frames, 1, 1, 1] = 1, 2, 3, ... */
export function counting(frames: number): Tensor {
  return tf.range(1, frames + 1).reshape([1, frames, 1, 1, 1]);
}
