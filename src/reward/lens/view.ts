/** One frame of a clip under a reward: what every look of the lens starts from. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Clip, clipFrame } from '../../io/index.ts';
import type { Key } from '../../nn/index.ts';
import type { Reward, RewardText } from '../contract.ts';

/** A frame of a clip, looked at with a reward that knows the prompt. */
export interface View {
  readonly reward: Reward;
  readonly clip: Clip;
  readonly prompt: string;
  /** Index from 0. */
  readonly frame: number;
  /** Decides the frames of a reward that draws them. */
  readonly key?: Key | undefined;
}

/** Index of a frame that may be counted from the end. */
export function frameOf({ frames }: Clip, index: number): number {
  const frame = index < 0 ? frames + index : index;
  if (Number.isInteger(frame) && frame >= 0 && frame < frames) return frame;
  throw new RangeError(`frame: wanted an integer within +-${frames}, received ${index}`);
}

/** Values of frame `index`, within [0, 1]. */
export function picture(clip: Clip, index: number): Float32Array {
  return Float32Array.from(clipFrame(clip, index), (value) => Math.min(Math.max(value, 0), 1));
}

/** The frame [1, H, W, 3], or for a clip reward the whole clip [1, T, H, W, 3], in [0, 1]. */
export function seenBy({ reward, clip, frame }: View): Tensor {
  const { frames, height, width } = clip;
  if (reward.info.kind === 'frame') return tf.tensor(picture(clip, frame), [1, height, width, 3]);
  return tf.clipByValue(tf.tensor(clip.data, [1, frames, height, width, 3]), 0, 1);
}

/** What the reward sees when the frame is replaced by each of `pictures` [N, H, W, 3]: [N, (T,) H, W, 3]. */
export function withFrame(view: View, pictures: Tensor): Tensor {
  if (view.reward.info.kind === 'frame') return pictures;
  const [count, ...image] = pictures.shape as [number, number, number, number];
  const whole = tf.tile(seenBy(view), [count, 1, 1, 1, 1]);
  const after = view.clip.frames - view.frame - 1;
  const [before, , later] = tf.split(whole, [view.frame, 1, after], 1) as [Tensor, Tensor, Tensor];
  return tf.concat([before, tf.reshape(pictures, [count, 1, ...image]), later], 1);
}

/** Scores of what the reward sees, [N, (T,) H, W, 3], under one prompt. */
export async function scoresOf({ reward, prompt, key }: View, make: () => Tensor): Promise<number[]> {
  const video = tf.tidy(() => {
    const seen = make();
    return reward.info.kind === 'frame' ? tf.expandDims(seen, 1) : seen;
  });
  const scores = await reward.score(video, Array<string>(video.shape[0]!).fill(prompt), key);
  video.dispose();
  return scores;
}

/** The prompt as the reward reads it. */
export function textOf({ reward, clip, prompt, key }: View): RewardText {
  return reward.encode([prompt], { frames: clip.frames, key });
}
