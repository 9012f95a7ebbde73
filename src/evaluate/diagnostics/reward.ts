import { type Tensor, tf } from '../../engine/tf.ts';
import { type Clip, clipFrame } from '../../io/index.ts';
import type { Reward } from '../../reward/index.ts';
import { mean } from '../statistics/mean.ts';
import { slightChanges } from './changes.ts';

/** Scores of a frame reward along clips. */
export interface RewardCurve {
  /** A row per clip, an entry per frame. */
  scores: number[][];
  /** Mean over clips for each frame. */
  mean: number[];
  /** Last frame minus the mean of the others: grows when only the supervised frame improves. */
  lastMinusOthers: number;
}

/** Scores every frame of clips of one size under their prompts with a frame reward. */
export async function rewardCurve(
  clips: readonly Clip[],
  prompts: readonly string[],
  reward: Reward,
): Promise<RewardCurve> {
  const frames = clips[0]?.frames ?? 0;
  if (frames < 2 || clips.some((clip) => clip.frames !== frames)) {
    throw new Error('rewardCurve wants clips of the same number of frames, two or more');
  }
  const columns: number[][] = [];
  for (let frame = 0; frame < frames; frame++) columns.push(await scoreFrames(clips, prompts, reward, frame));
  const means = columns.map(mean);
  const lastMinusOthers = means.at(-1)! - mean(means.slice(0, -1));
  return { scores: clips.map((_, i) => columns.map((column) => column[i]!)), mean: means, lastMinusOthers };
}

/** Scores of one frame of each clip (negative counts from the end). */
export async function scoreFrames(
  clips: readonly Clip[],
  prompts: readonly string[],
  reward: Reward,
  frame: number = -1,
): Promise<number[]> {
  const pictures = clips.map((clip) => clipFrame(clip, frame));
  return scorePictures(pictures, clips[0]!, prompts, reward);
}

async function scorePictures(
  pictures: readonly Float32Array[],
  { height, width }: Pick<Clip, 'height' | 'width'>,
  prompts: readonly string[],
  reward: Reward,
): Promise<number[]> {
  const video = tf.tidy(() => tf.expandDims(stack(pictures, height, width), 1)); // [B, H, W, 3] -> [B, 1, H, W, 3]
  const scores = await reward.score(video, prompts);
  video.dispose();
  return scores;
}

function stack(pictures: readonly Float32Array[], height: number, width: number): Tensor {
  const data = new Float32Array(pictures.length * height * width * 3);
  for (const [i, picture] of pictures.entries()) {
    for (let k = 0; k < picture.length; k++) data[i * picture.length + k] = Math.min(Math.max(picture[k]!, 0), 1);
  }
  return tf.tensor4d(data, [pictures.length, height, width, 3]);
}

/**
 * R(x) - mean R(slightly changed x) over last frames: a score that falls when the picture moves by 2 px, is blurred by
 * 0.5 px or gets noise of 2/255 rests on something no eye sees. Mirroring is left out: a mirrored digit is another one.
 */
export async function robustnessGap(
  clips: readonly Clip[],
  prompts: readonly string[],
  reward: Reward,
  seed: number | string = 0,
): Promise<number> {
  const { height, width } = clips[0]!;
  const pictures = clips.map((clip) => clipFrame(clip, -1));
  const plain = mean(await scorePictures(pictures, { height, width }, prompts, reward));
  const changed: number[] = [];
  for (const change of slightChanges(seed)) {
    const seen = pictures.map((data, i) => change({ data, height, width }, i));
    changed.push(mean(await scorePictures(seen, { height, width }, prompts, reward)));
  }
  return plain - mean(changed);
}

/** R(x, own prompt) - mean R(x, prompts of the other clips): near 0 when the prompt no longer matters. */
export async function promptMargin(
  clips: readonly Clip[],
  prompts: readonly string[],
  reward: Reward,
): Promise<number> {
  if (new Set(prompts).size < 2) throw new Error('promptMargin wants at least two different prompts');
  const own = await scoreFrames(clips, prompts, reward);
  const margins: number[] = [];
  for (let shift = 1; shift < clips.length; shift++) {
    const others = prompts.map((_, i) => prompts[(i + shift) % prompts.length]!);
    const scores = await scoreFrames(clips, others, reward);
    for (const [i, score] of scores.entries()) if (others[i] !== prompts[i]) margins.push(own[i]! - score);
  }
  return mean(margins);
}

/** Mean over last frames of the 2-norm of dR/dframe; null of a reward without gradient. */
export async function gradientNorm(
  clips: readonly Clip[],
  prompts: readonly string[],
  reward: Reward,
): Promise<number | null> {
  if (!reward.info.differentiable) return null;
  const { height, width } = clips[0]!;
  const norms = tf.tidy(() => {
    const text = reward.encode(prompts);
    const gradient = tf.grad((frames: Tensor) => tf.sum(reward.compute(frames, text)));
    const pictures = clips.map((clip) => clipFrame(clip, -1));
    return tf.sqrt(tf.sum(tf.square(gradient(stack(pictures, height, width))), [1, 2, 3]));
  });
  const values = [...(await norms.data<'float32'>())];
  norms.dispose();
  return mean(values);
}
