import { type Tensor, tf } from '../../engine/tf.ts';
import { decode, type VaeConfig, vaeStrides } from '../../model/vae/index.ts';
import type { Key, Part } from '../../nn/index.ts';
import { type FrameChoice, frameIndex, frameSelect, type Reward, reflLoss } from '../../reward/index.ts';
import type { Objective } from '../optimiser/gradients.ts';

/** Turns latents into the pixels that a reward sees. */
export interface Decoder {
  /** Pixel frames per latent frame after the first. */
  readonly stride: number;
  /**
   * Video `[B, 1 + (F-1)·stride, H, W, 3]` in [-1, 1] of latents `[B, F, h, w, C]`; the gradient reaches the last
   * `gradientLatents` latent frames.
   */
  decode(latents: Tensor, gradientLatents: number): Tensor;
}

/** The decoder of a video autoencoder. */
export function vaeDecoder(net: Part<VaeConfig>): Decoder {
  const { config } = net;
  const decoded: Decoder['decode'] = (latents, gradientLatents) => decode(net, latents, { gradientLatents });
  return { stride: vaeStrides(config).time, decode: decoded };
}

/**
 * What is minimised of scores R: `negative` is `-weight · mean R` (Reward-Forcing), `refl` is
 * `scale · mean max(0, target - R)`, which stops pushing what reached the target (ImageReward's ReFL).
 */
export type RewardLossForm =
  | { form: 'negative'; weight?: number }
  | {
      form: 'refl';
      /** @defaultValue 2 */
      target?: number;
      /** @defaultValue 1e-3 */
      scale?: number;
    };

/** How clips are judged. */
export interface JudgeOptions {
  decoder: Decoder;
  reward: Reward;
  /** Frames that a frame reward sees; `random` draws one for each step. @defaultValue 'last' */
  frames?: FrameChoice;
  /** @defaultValue `{ form: 'negative', weight: 1 }` */
  loss?: RewardLossForm;
  /** Shorter form of the prompts for the reward. @defaultValue the same prompts */
  rewardPrompts?: (prompts: readonly string[]) => readonly string[];
}

/** Throws unless the reward can be climbed. */
export function checkReward({ info }: Reward): void {
  if (info.differentiable) return;
  throw new TypeError(`the reward ${info.id} has no gradient: phase 2 needs a differentiable one, such as ImageReward`);
}

/** Run `work` on the prompts as the reward encodes them. */
export async function withText<R>(
  { reward: judge, rewardPrompts = (prompts) => prompts }: JudgeOptions,
  prompts: readonly string[],
  work: (text: readonly Tensor[]) => Promise<R>,
): Promise<R> {
  const text = judge.encode(rewardPrompts(prompts));
  try {
    return await work(text);
  } finally {
    tf.dispose(text);
  }
}

/** The pixel frame that is judged, null for the whole clip. */
export function judgedFrame({ reward: judge, frames = 'last' }: JudgeOptions, count: number, key: Key): number | null {
  if (judge.info.kind === 'clip' || frames === 'all') return null;
  return frames === 'random' ? key.integer(0, count) : frameIndex(frames, count);
}

/** What a reward sees of a clip. */
export interface Judged {
  /** Pixel frame, null for all. */
  frame: number | null;
  /** Prompts as the reward encodes them. */
  text: readonly Tensor[];
}

/**
 * `-mean R`, or another form, of latents `[B, F, H, W, C]` through the decoder, whose gradient reaches the latent frames from
 * `gradientFrom` on. Reports `reward`, `rewardStd` and `saturated`.
 */
export function rewardLoss(
  { decoder, reward: judge, loss }: JudgeOptions,
  latents: Tensor,
  { frame, text, gradientFrom }: Judged & { gradientFrom: number },
): Objective {
  const video = decoder.decode(latents, (latents.shape[1] as number) - gradientFrom);
  const seen = frame === null ? video : tf.squeeze(tf.slice(video, [0, frame], [-1, 1]), [1]); // [B, H, W, 3]
  const scores = scoresOf(judge, tf.clipByValue(tf.add(tf.mul(seen, 0.5), 0.5), 0, 1), text);
  const mean = tf.mean(scores);
  const rewardStd = tf.sqrt(tf.mean(tf.square(tf.sub(scores, mean))));
  const saturated = tf.mean(tf.cast(tf.greaterEqual(tf.abs(seen), 1), 'float32'));
  return { loss: lossOf(scores, mean, loss), values: { reward: mean, rewardStd, saturated } };
}

function lossOf(scores: Tensor, mean: Tensor, given: RewardLossForm = { form: 'negative' }): Tensor {
  if (given.form === 'refl') return reflLoss(scores, given.target, given.scale);
  const { weight = 1 } = given;
  return tf.neg(weight === 1 ? mean : tf.mul(mean, weight));
}

/** Scores `[B]` of pictures or clips; a frame reward judges a clip by the mean over its frames. */
function scoresOf(judge: Reward, frames: Tensor, text: readonly Tensor[]): Tensor {
  if (frames.rank === 4 || judge.info.kind === 'clip') return judge.compute(frames, text);
  return frameSelect(judge, 'all').compute(frames, text);
}
