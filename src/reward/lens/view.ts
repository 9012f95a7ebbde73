/** One frame of a clip under a reward: what every look of the lens starts from, and its slope. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Clip, clipFrame } from '../../io/index.ts';
import type { Key } from '../../nn/index.ts';
import type { Reward, RewardText } from '../contract.ts';

/** A frame of a clip, looked at with a reward that knows the prompt. */
export interface View {
  readonly reward: Reward;
  readonly clip: Clip;
  readonly prompt: string;
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

/** Slope of the score with respect to each value of the frame, [H, W, 3]. */
export async function frameGradient(view: View): Promise<Float32Array> {
  checkSlope(view);
  const { height, width } = view.clip;
  const slope = tf.tidy(() => {
    const text = textOf(view);
    const whole = tf.grad((x: Tensor) => tf.sum(view.reward.compute(x, text)))(seenBy(view));
    if (view.reward.info.kind === 'frame') return whole;
    return tf.slice(whole, [0, frameOf(view.clip, view.frame), 0, 0, 0], [1, 1, height, width, 3]);
  });
  const values = await slope.data<'float32'>();
  slope.dispose();
  return values;
}

/** Where a climb starts from and how it goes. */
export interface ClimbOptions {
  /** Steps taken. @defaultValue 20 */
  steps?: number;
  /** Change of each value in a step. @defaultValue 0.01 */
  rate?: number;
}

/** The frame after steps along the gradient. */
export interface Climb {
  /** [H, W, 3] in [0, 1] */
  picture: Float32Array;
  /** Scores before the first step and after each. */
  scores: number[];
}

/**
 * Steps x <- clamp(x + rate * sign(dR/dx)) on the pixels of the frame: what the reward would like to see there. A score
 * that rises far while the picture hardly changes is a score that training can hack.
 */
export async function climb(view: View, { steps = 20, rate = 0.01 }: ClimbOptions = {}): Promise<Climb> {
  checkSlope(view);
  const { reward, clip, frame } = view;
  const text = textOf(view);
  const scored = tf.valueAndGrad((x: Tensor) => tf.sum(reward.compute(withFrame(view, x), text)));
  const scores: number[] = [];
  let x: Tensor = tf.tensor(picture(clip, frame), [1, clip.height, clip.width, 3]);
  for (let step = 0; step <= steps; step++) {
    const { value, grad } = scored(x);
    scores.push((await value.data())[0]!);
    const next = tf.tidy(() => tf.clipByValue(tf.add(x, tf.mul(tf.sign(grad), step < steps ? rate : 0)), 0, 1));
    tf.dispose([value, grad, x]);
    x = next;
  }
  const reached = await x.data<'float32'>();
  tf.dispose([x, ...Object.values(text)]);
  return { picture: reached, scores };
}

function checkSlope({ reward: { info } }: View): void {
  if (info.differentiable) return;
  throw new TypeError(`the reward ${info.id} has no gradient; look at it with occlusionMap instead`);
}
