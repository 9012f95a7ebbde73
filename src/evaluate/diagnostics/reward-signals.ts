/** Signals of reward hacking on clips of one checkpoint: what the reward reacts to, and what it does not. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Clip, clipFrame } from '../../io/index.ts';
import { type Key, random } from '../../nn/index.ts';
import type { Judge, Reward } from '../../reward/index.ts';
import { blur, channel, gaussianTaps } from '../flow/plane.ts';
import { type BootstrapOptions, bootstrap, type Interval, mean } from '../statistics.ts';
import { clipDynamicDegree } from '../vbench/rules.ts';
import { highFrequencyShare, meanChroma, type Picture, saturatedShare } from './pictures.ts';

/** Signals of reward hacking of one checkpoint on a fixed prompt list. */
export interface HackingSignals {
  /** Mean training reward of last frames. */
  reward: number;
  /** Mean of a reward that nothing was trained on; null without one. */
  heldOut: number | null;
  highFrequency: number;
  saturated: number;
  chroma: number;
  robustnessGap: number;
  promptMargin: number;
  lastMinusOthers: number;
  /** Null of a reward without gradient. */
  gradientNorm: number | null;
  /** Share of moving clips by VBench's rule. */
  dynamicDegree: number;
}

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
    throw new Error('rewardCurve: wanted clips of the same number of frames, two or more');
  }
  const columns: number[][] = [];
  for (let frame = 0; frame < frames; frame++) columns.push(await frameScores(clips, prompts, reward, frame));
  const means = columns.map(mean);
  const lastMinusOthers = means.at(-1)! - mean(means.slice(0, -1));
  return { scores: clips.map((_, i) => columns.map((column) => column[i]!)), mean: means, lastMinusOthers };
}

/**
 * A judge's score of each clip under its prompt; `key` decides whatever is random.
 *
 * @throws RangeError if the clips differ in size, and what the judge throws.
 * @example const scores = await evaluate.scoreClips(imageReward, clips, prompts)
 */
export async function scoreClips(
  judge: Judge,
  clips: readonly Clip[],
  prompts: readonly string[],
  key?: Key,
): Promise<number[]> {
  const { frames, height, width } = clips[0] ?? { frames: 1, height: 1, width: 1 };
  const wrong = clips.find((clip) => clip.frames !== frames || clip.height !== height || clip.width !== width);
  if (wrong) {
    const received = `${wrong.frames} of ${wrong.width}x${wrong.height}`;
    throw new RangeError(`clips: wanted ${frames} frames of ${width}x${height} each, received ${received}`);
  }
  const pixels = clips.map(({ data }) => data);
  const video = tf.tidy(() => tf.reshape(stack(pixels, frames * height, width), [-1, frames, height, width, 3]));
  return judge.score(video, prompts, key).finally(() => video.dispose());
}

/**
 * Mean of {@link scoreClips}, with its interval over the prompts.
 *
 * @example const { estimate, low, high } = await evaluate.meanScore(nets.judge, clips, prompts)
 */
export async function meanScore(
  judge: Judge,
  clips: readonly Clip[],
  prompts: readonly string[],
  options: BootstrapOptions = {},
): Promise<Interval> {
  const scores = await scoreClips(judge, clips, prompts);
  return bootstrap(
    scores.map((score) => [score]),
    options,
  );
}

/** Scores of one frame of each clip (negative counts from the end). */
export async function frameScores(
  clips: readonly Clip[],
  prompts: readonly string[],
  reward: Reward,
  frame: number = -1,
): Promise<number[]> {
  const pictures = clips.map((clip) => ({ ...clip, data: clipFrame(clip, frame) }));
  return scorePictures(pictures, prompts, reward);
}

function scorePictures(pictures: readonly Picture[], prompts: readonly string[], reward: Reward): Promise<number[]> {
  const clips = pictures.map(({ data, height, width }) => ({ data, frames: 1, height, width, fps: 1 }));
  return scoreClips(reward, clips, prompts);
}

function lastFrame(clip: Clip): Picture {
  return { data: clipFrame(clip, -1), height: clip.height, width: clip.width };
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
async function robustnessGap(clips: readonly Clip[], prompts: readonly string[], reward: Reward): Promise<number> {
  const pictures = clips.map(lastFrame);
  const plain = mean(await scorePictures(pictures, prompts, reward));
  const changed: number[] = [];
  for (const change of slightChanges) {
    const seen = pictures.map((picture, i) => ({ ...picture, data: change(picture, i) }));
    changed.push(mean(await scorePictures(seen, prompts, reward)));
  }
  return plain - mean(changed);
}

/** R(x, own prompt) - mean R(x, prompts of the other clips): near 0 when the prompt no longer matters. */
export async function promptMargin(
  clips: readonly Clip[],
  prompts: readonly string[],
  reward: Reward,
): Promise<number> {
  if (new Set(prompts).size < 2) throw new Error('promptMargin: wanted at least two different prompts');
  const own = await frameScores(clips, prompts, reward);
  const margins: number[] = [];
  for (let shift = 1; shift < clips.length; shift++) {
    const others = prompts.map((_, i) => prompts[(i + shift) % prompts.length]!);
    const scores = await frameScores(clips, others, reward);
    for (const [i, score] of scores.entries()) if (others[i] !== prompts[i]) margins.push(own[i]! - score);
  }
  return mean(margins);
}

/** Mean over last frames of the 2-norm of dR/dframe; null of a reward without gradient. */
async function gradientNorm(
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

/** Moves by 2 px right and up, a blur of 0.5 px, and noise of 2/255 on picture `i` of a set; frames of any size. */
const slightChanges: readonly ((picture: Picture, i: number) => Float32Array)[] = [
  (picture) => moved(picture, 2, 0),
  (picture) => moved(picture, 0, -2),
  (picture) => blurred(picture, 0.5),
  (picture, i) => noisy(picture, 2 / 255, random.key(0).stream('robustness').stream(i)),
];

/** The picture moved by whole pixels; the border is repeated. */
function moved({ data, height, width }: Picture, dx: number, dy: number): Float32Array {
  const inside = (at: number, size: number): number => Math.min(Math.max(at, 0), size - 1);
  return Float32Array.from(data, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return data[3 * (inside(y - dy, height) * width + inside(x - dx, width)) + (i % 3)]!;
  });
}

function blurred({ data, height, width }: Picture, sigma: number): Float32Array {
  const taps = gaussianTaps(sigma, Math.ceil(3 * sigma));
  const soft = [0, 1, 2].map((c) => blur(channel({ data, height, width }, 0, c), taps).data);
  return data.map((_, i) => soft[i % 3]![Math.floor(i / 3)]!);
}

function noisy({ data }: Picture, std: number, key: Key): Float32Array {
  const grain = key.normal([data.length]).data;
  return data.map((value, i) => Math.min(Math.max(value + std * grain[i]!, 0), 1));
}

/**
 * Measures all signals on clips of different prompts, of any size; `show.hacking` draws those of several checkpoints.
 *
 * @throws TypeError for a reward of clips: `frameSelect` has no place here, as single frames are looked at.
 */
export async function hackingSignals(
  clips: readonly Clip[],
  prompts: readonly string[],
  reward: Reward,
  heldOut: Reward | null = null,
): Promise<HackingSignals> {
  for (const { info } of [reward, ...(heldOut ? [heldOut] : [])]) {
    if (info.kind === 'clip') throw new TypeError(`hackingSignals looks at frames; ${info.id} judges whole clips`);
  }
  const last = clips.map(lastFrame);
  return {
    reward: mean(await frameScores(clips, prompts, reward)),
    heldOut: heldOut && mean(await frameScores(clips, prompts, heldOut)),
    highFrequency: mean(last.map(highFrequencyShare)),
    saturated: mean(last.map(saturatedShare)),
    chroma: mean(last.map(meanChroma)),
    robustnessGap: await robustnessGap(clips, prompts, reward),
    promptMargin: await promptMargin(clips, prompts, reward),
    lastMinusOthers: (await rewardCurve(clips, prompts, reward)).lastMinusOthers,
    gradientNorm: await gradientNorm(clips, prompts, reward),
    dynamicDegree: mean(clips.map((clip) => (clipDynamicDegree(clip).moving ? 1 : 0))),
  };
}
