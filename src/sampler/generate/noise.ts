/** The noise of a batch of clips: from a key, or as PyTorch's generator draws it. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Key, random, toTensor } from '../../nn/index.ts';

/** Where the noise of a batch comes from. */
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

/** Axes of one clip as they are drawn, and how [F, H, W, C] is made of them. */
interface Layout {
  shape(frames: number, height: number, width: number, channels: number): [number, number, number, number];
  readonly axes: [number, number, number, number];
}

/** Wan draws `torch.randn(C, F, H, W)` (wan/text2video.py). */
const wanLayout: Layout = {
  shape: (frames, height, width, channels) => [channels, frames, height, width],
  axes: [1, 2, 3, 0],
};

/** Self-Forcing draws `torch.randn(B, F, C, H, W)` (pipeline/causal_inference.py). */
const selfForcingLayout: Layout = {
  shape: (frames, height, width, channels) => [frames, channels, height, width],
  axes: [0, 2, 3, 1],
};

/** Noise of a batch as PyTorch's CPU generator draws it; each clip has a generator of its own, all with one seed. */
export function torchNoise(seed: number | bigint, clips: number, causal: boolean): BatchNoise {
  const generators = Array.from({ length: clips }, () => random.torch(seed));
  const layout = causal ? selfForcingLayout : wanLayout;
  const draw = (shape: readonly number[]): Tensor => {
    const drawn = layout.shape(...(shape.slice(1) as [number, number, number, number]));
    return tf.tidy(() =>
      tf.stack(generators.map((generator) => tf.transpose(toTensor(generator.normal(drawn)), layout.axes))),
    );
  };
  return { initial: draw, renoise: (_block, _step, shape) => draw(shape) };
}
