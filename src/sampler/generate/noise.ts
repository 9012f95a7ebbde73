/** The noise of a batch of clips: from a key, or as PyTorch's generator draws it. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Key, random, toTensor } from '../../nn/index.ts';

export interface BatchNoise {
  /** Initial noise [B, F, H, W, C]. */
  initial(shape: readonly number[]): Tensor;
  /** Fresh noise [B, f, H, W, C] after a step of a block. */
  renoise(block: number, step: number, shape: readonly number[]): Tensor;
}

/** Noise of a batch from a key's streams `noise` and `renoise`; those of a causal clip have one for each block. */
export function keyNoise(key: Key, causal: boolean): BatchNoise {
  const fresh = key.stream('renoise');
  return {
    initial: (shape) => toTensor(key.stream('noise').normal([...shape])),
    renoise: (block, step, shape) => {
      const stream = causal ? fresh.stream(block) : fresh;
      return toTensor(stream.stream(step).normal([...shape]));
    },
  };
}

/** How the axes [F, H, W, C] of a clip are drawn: Wan (wan/text2video.py) and Self-Forcing (pipeline/causal_inference.py). */
const drawnAxes = { wan: [3, 0, 1, 2], selfForcing: [0, 3, 1, 2] } as const;

/** Noise of a batch as PyTorch's CPU generator draws it; each clip has a generator of its own, all with one seed. */
export function torchNoise(seed: number | bigint, clips: number, causal: boolean): BatchNoise {
  const generators = Array.from({ length: clips }, () => random.torch(seed));
  const drawn = causal ? drawnAxes.selfForcing : drawnAxes.wan;
  const back = drawn.map((_, axis) => (drawn as readonly number[]).indexOf(axis));
  const draw = ([, ...clip]: readonly number[]): Tensor =>
    tf.tidy(() => {
      const shape = drawn.map((axis) => clip[axis]!);
      return tf.stack(generators.map((generator) => tf.transpose(toTensor(generator.normal(shape)), back)));
    });
  return { initial: draw, renoise: (_block, _step, shape) => draw(shape) };
}
