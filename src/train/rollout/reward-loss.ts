import { type Tensor, tf } from '../../engine/tf.ts';
import { decode, type VaeConfig, vaeStrides } from '../../model/vae/index.ts';
import type { Key, Part } from '../../nn/index.ts';
import {
  chooseFrames,
  type FrameChoice,
  frameSelect,
  type Reward,
  type RewardText,
  reflLoss,
} from '../../reward/index.ts';
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
  /** Frames that a frame reward sees; `random-per-batch` draws one for each step. @defaultValue 'last' */
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

/** Run `work` on the prompts as the reward encodes them for clips of `count` pixel frames. */
export async function withText<R>(
  options: JudgeOptions,
  prompts: readonly string[],
  { count, key }: { count: number; key: Key },
  work: (text: RewardText) => Promise<R>,
): Promise<R> {
  const { rewardPrompts = (given) => given } = options;
  const text = judgeOf(options).encode(rewardPrompts(prompts), { frames: count, key });
  try {
    return await work(text);
  } finally {
    tf.dispose({ ...text });
  }
}

/** The pixel frame that is judged, null for the whole clip; `key` is that of the step. */
export function judgedFrame(options: JudgeOptions, count: number, key: Key): number | null {
  if (judgeOf(options).info.kind === 'clip') return null;
  return chooseFrames(options.frames ?? 'last', { clips: 1, frames: count, key }) as number;
}

/** The reward; one that no single frame of the batch is shown to judges clips. */
function judgeOf({ reward, frames = 'last' }: JudgeOptions): Reward {
  const isOne = frames !== 'all' && frames !== 'random-per-clip';
  return reward.info.kind === 'clip' || isOne ? reward : frameSelect(reward, frames);
}

/** What a reward sees of a clip. */
export interface Judged {
  /** Pixel frame, null for all. */
  frame: number | null;
  /** Prompts as the reward encodes them. */
  text: RewardText;
}

/**
 * `-mean R`, or another form, of latents `[B, F, H, W, C]` through the decoder, whose gradient reaches the latent frames from
 * `gradientFrom` on. Reports `reward`, `rewardStd` and `saturated`.
 */
export function rewardLoss(
  options: JudgeOptions,
  latents: Tensor,
  { frame, text, gradientFrom }: Judged & { gradientFrom: number },
): Objective {
  const { decoder, loss } = options;
  const video = decoder.decode(latents, (latents.shape[1] as number) - gradientFrom);
  const seen = frame === null ? video : tf.squeeze(tf.slice(video, [0, frame], [-1, 1]), [1]); // [B, H, W, 3]
  const scores = judgeOf(options).compute(tf.clipByValue(tf.add(tf.mul(seen, 0.5), 0.5), 0, 1), text); // [B]
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
