/** What every judge of generated video owes its callers, and what a reward owes beyond: a gradient. */
import { type Tensor, tf } from '../engine/tf.ts';
import type { Key, NetAbout } from '../nn/index.ts';
import { withoutGradient } from '../nn/internal.ts';
import { type ClipBatch, chooseFrames, type FrameChoice, frameAt, framesAt } from './frames.ts';

/** All that decides a judge's numbers; a run stores it with its settings. */
export interface JudgeInfo {
  readonly id: string;
  /** `frame` looks at single pictures, `clip` at whole videos. */
  readonly kind: 'frame' | 'clip';
  /** Whether the score has a gradient with respect to the frames. */
  readonly differentiable: boolean;
  /** Frames of a clip that are seen by what judges pictures. @defaultValue 'last' for `kind: 'frame'` */
  readonly frames?: FrameChoice;
  /** Whether the key changes the scores: what is encoded for a prompt must not be kept. @defaultValue false */
  readonly random?: boolean;
  /** Raw score that becomes 0. @defaultValue 0 */
  readonly mean?: number;
  /** Raw deviation that becomes 1. @defaultValue 1 */
  readonly std?: number;
  /** [H, W] that the judge insists on; null takes any size. */
  readonly inputSize: readonly [number, number] | null;
  /** SHA-256 of each network's file, or where it comes from. */
  readonly weights?: Readonly<Record<string, string>>;
  /** Choices that change the numbers: how frames are resized, what is scored although it should not be. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** What a weighted sum is made of. */
  readonly parts?: readonly { readonly weight: number; readonly info: JudgeInfo }[];
  /** A server's address and the model that it was asked for; we cannot check what it runs. */
  readonly external?: { readonly endpoint: string; readonly model: string };
}

/** What `info.weights` tells of a net: the SHA-256 of its file, or else where it comes from. */
export function sourceOf({ about }: { readonly about: NetAbout }): string {
  return about.sha256 ?? about.origin ?? 'made in memory';
}

/**
 * Gives generated clips numbers; higher is better, and a score does not depend on the rest of the batch.
 *
 * @example
 * const scores = await judge.score(video, ['a red fox in the snow'], random.key(0));
 */
export interface Judge {
  readonly info: JudgeInfo;
  /**
   * A score for each clip of `video` [B, T, H, W, 3] in [0, 1]; `key` decides whatever is random.
   *
   * @throws on a wrong shape, size, number of prompts, a value outside [0, 1], or no key where one is drawn from.
   */
  score(video: Tensor, prompts: readonly string[], key?: Key): Promise<number[]>;
  dispose(): void;
}

/** Prompts as a reward reads them: named tensors with a first axis of B, inputs of a step that change with each batch. */
export type RewardText = Readonly<Record<string, Tensor>>;

/**
 * A judge that can stand in a loss: text comes in as tensors, scores go out as float32 [B] in tensor operations alone, so
 * that a recorded step can contain them. Weights are frozen, but the gradient flows through them to the frames.
 */
export interface Reward<Text extends RewardText = RewardText> extends Judge {
  /** Prompts as the text inputs of `compute`; `clips` tells what random frames are drawn from. */
  encode(prompts: readonly string[], clips?: Omit<ClipBatch, 'clips'>): Text;
  /** Scores [B] of pictures [B, H, W, 3] (`kind: 'frame'`) or clips [B, T, H, W, 3]; values are not checked. */
  compute(frames: Tensor, text: Text): Tensor;
}

/** What an implementation provides; {@link createReward} adds `score` and the checks of the contract. */
export type RewardParts<Text extends RewardText = RewardText> = Pick<
  Reward<Text>,
  'info' | 'encode' | 'compute' | 'dispose'
>;

/**
 * A reward from its parts. A reward of pictures scores clips by the frames of its `info.frames`, by default the last;
 * `frameSelect` gives it others.
 *
 * @example
 * const brightness = createReward({
 *   info: { id: 'brightness', kind: 'frame', differentiable: true, inputSize: null },
 *   encode: () => ({}),
 *   compute: (frames) => tf.mean(frames, [1, 2, 3]),
 *   dispose: () => {},
 * });
 */
export function createReward<Text extends RewardText>(parts: RewardParts<Text>): Reward<Text> {
  const { encode, dispose } = parts;
  const info: JudgeInfo = parts.info.kind === 'frame' ? { frames: 'last', ...parts.info } : parts.info;
  const compute = (frames: Tensor, text: Text): Tensor => {
    checkShape(info, frames, info.kind);
    if (info.differentiable) return tf.tidy(() => parts.compute(frames, text));
    return withoutGradient(() => tf.tidy(() => parts.compute(frames, text)));
  };
  const onClips = info.kind === 'clip' ? { encode, compute } : onFrames({ encode, compute }, info.frames ?? 'last');
  const score: Judge['score'] = async (video, prompts, key) => {
    await checkVideo(info, video, prompts);
    const scores = tf.tidy(() =>
      withoutGradient(() => {
        const text = onClips.encode(prompts, { frames: video.shape[1]!, key });
        return onClips.compute(video, text as Text);
      }),
    );
    const values = [...(await scores.data<'float32'>())];
    scores.dispose();
    return values;
  };
  return { info, encode, compute, score, dispose };
}

type Pass<Text extends RewardText> = Pick<Reward<Text>, 'encode' | 'compute'>;

/** Judging clips by what judges pictures: drawn frames come in as the text input `frame`, int32 [B]. */
export function onFrames<Text extends RewardText>(
  pictures: Pass<Text>,
  choice: FrameChoice,
): Pass<Text & { readonly frame?: Tensor }> {
  return {
    encode: (prompts, clips) => {
      const text = pictures.encode(prompts);
      if (choice !== 'random-per-clip' && choice !== 'random-per-batch') return text;
      const batch = { clips: prompts.length, frames: clips?.frames ?? 1, key: clips?.key };
      const drawn = chooseFrames(choice, batch) as number | Int32Array;
      return { ...text, frame: tf.tensor1d(indices(drawn, prompts.length), 'int32') };
    },
    compute: (clips, { frame, ...rest }) => {
      const text = rest as unknown as Text;
      if (frame) return pictures.compute(framesAt(clips, frame), text);
      const chosen = chooseFrames(choice, { clips: clips.shape[0]!, frames: clips.shape[1]! });
      if (chosen === 'all') return meanOverFrames(pictures, clips, text);
      return pictures.compute(frameAt(clips, chosen as number), text);
    },
  };
}

function indices(drawn: number | Int32Array, count: number): Int32Array {
  return typeof drawn === 'number' ? new Int32Array(count).fill(drawn) : drawn;
}

function meanOverFrames<Text extends RewardText>(pictures: Pass<Text>, clips: Tensor, text: Text): Tensor {
  const [batch, frames, ...image] = clips.shape as [number, number, number, number, number];
  const flat = tf.reshape(clips, [batch * frames, ...image]); // [B, T, H, W, 3] -> [B T, H, W, 3]
  const repeated = mapText(text, (tensor) => repeatEach(tensor, frames));
  const scores = pictures.compute(flat, repeated);
  return tf.mean(tf.reshape(scores, [batch, frames]), 1);
}

/** Each entry of the first axis `times` times in a row. */
function repeatEach(tensor: Tensor, times: number): Tensor {
  const [batch, ...rest] = tensor.shape as [number, ...number[]];
  const tiled = tf.tile(tf.reshape(tensor, [batch, 1, ...rest]), [1, times, ...rest.map(() => 1)]);
  return tf.reshape(tiled, [batch * times, ...rest]);
}

export function mapText<Text extends RewardText>(text: Text, change: (tensor: Tensor) => Tensor): Text {
  return Object.fromEntries(Object.entries(text).map(([name, tensor]) => [name, change(tensor)])) as unknown as Text;
}

/** Values this far outside [0, 1] are taken for rounding. */
const SLACK = 1e-3;

/** The values of a video that a judge may score. @throws on a wrong shape, size, number of prompts, or value. */
export async function checkVideo(info: JudgeInfo, video: Tensor, prompts: readonly string[]): Promise<Float32Array> {
  checkShape(info, video, 'clip');
  if (prompts.length !== video.shape[0]) {
    throw new Error(`${info.id}: received ${prompts.length} prompts for ${video.shape[0]} clips; wanted one for each`);
  }
  const values = await video.data<'float32'>();
  checkValues(info.id, values);
  return values;
}

function checkShape({ id, kind, inputSize }: JudgeInfo, frames: Tensor, given: JudgeInfo['kind']): void {
  const [height, width, channels] = frames.shape.slice(-3);
  const fits = inputSize === null || (height === inputSize[0] && width === inputSize[1]);
  if (frames.rank === (given === 'frame' ? 4 : 5) && channels === 3 && fits) return;
  const [h, w] = inputSize ?? ['H', 'W'];
  const wanted = given === 'frame' ? `[B, ${h}, ${w}, 3]` : `[B, T, ${h}, ${w}, 3]`;
  const hint = frames.rank === 5 && kind === 'frame' ? '; wrap the reward in frameSelect for whole clips' : '';
  throw new Error(`${id}: frames have shape [${frames.shape}], wanted ${wanted}${given === kind ? hint : ''}`);
}

/** Throws unless all values of frames lie in [0, 1], up to rounding. */
export function checkValues(id: string, values: ArrayLike<number>): void {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) throw new RangeError(`${id}: frames contain NaN; wanted finite values in [0, 1]`);
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low >= -SLACK && high <= 1 + SLACK) return;
  throw new RangeError(
    `${id}: frames lie in [${low}, ${high}], wanted [0, 1]; ` +
      'decoded videos in [-1, 1] become frames by x / 2 + 0.5, then a clamp',
  );
}
