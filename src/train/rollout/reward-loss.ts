/** What a differentiable reward makes of latents. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type VaeConfig, type vae, vaeStrides } from '../../model/vae/index.ts';
import type { Key, Net } from '../../nn/index.ts';
import { type FrameChoice, frameIndex, frameSelect, type Reward, reflLoss } from '../../reward/index.ts';
import { checkChoice, checkFunction, checkMethods, checkNet, checkNumber } from '../checks.ts';
import type { Objective } from '../optimiser/gradients.ts';
import { pixelFrames } from './supervised-rollout.ts';

/**
 * What is minimised of scores R: `negative` is `-weight · mean R` (Reward-Forcing), `refl` is
 * `scale · mean max(0, target - R)`, which stops pushing what reached the target (ImageReward's ReFL).
 */
export type RewardLossForm =
  | { form: 'negative' /** @defaultValue 1 */; weight?: number }
  | { form: 'refl' /** @defaultValue 2 */; target?: number /** @defaultValue 1e-3 */; scale?: number };

/** How clips are judged. */
export interface JudgeOptions {
  /** Turns latents into the pixels that the reward sees. */
  decoder: Net<VaeConfig>;
  reward: Reward;
  /** Frames that a frame reward sees; `random` draws one for each step. @defaultValue 'last' */
  frames?: FrameChoice;
  /** @defaultValue `{ form: 'negative', weight: 1 }` */
  loss?: RewardLossForm;
  /** Shorter form of the prompts for the reward. @defaultValue the same prompts */
  rewardPrompts?: (prompts: readonly string[]) => readonly string[];
}

/** {@link JudgeOptions}, settled. */
export interface JudgeSettings extends Required<JudgeOptions> {
  loss: Required<RewardLossForm>;
}

/**
 * Options with their defaults, checked for clips of `latentFrames`; `path` is put before names in errors.
 *
 * @throws TypeError when the reward has no gradient, RangeError for a frame outside of the clip.
 */
export function settleJudge(options: JudgeOptions, latentFrames: number, path: string = ''): JudgeSettings {
  const { frames = 'last', rewardPrompts = (prompts) => prompts } = options;
  const reward = checkMethods(`${path}reward`, options.reward, ['encode', 'compute'], 'a reward');
  const { id, differentiable } = reward.info;
  if (!differentiable) {
    throw new TypeError(
      `${path}reward: ${id} has no gradient, wanted a differentiable one, such as ImageReward; train.policy climbs any`,
    );
  }
  const decoder = checkNet(`${path}decoder`, options.decoder);
  if (typeof frames === 'number') frameIndex(frames, pixelFrames(latentFrames, strideOf(decoder)));
  else checkChoice(`${path}frames`, frames, ['last', 'first', 'middle', 'random', 'all']);
  checkFunction(`${path}rewardPrompts`, rewardPrompts, '(prompts) => prompts for the reward');
  return { decoder, reward, frames, loss: settleForm(options.loss, `${path}loss`), rewardPrompts };
}

/** A form with its defaults, checked. */
export function settleForm(
  given: RewardLossForm = { form: 'negative' },
  path: string = 'loss',
): Required<RewardLossForm> {
  checkChoice(`${path}.form`, given.form, ['negative', 'refl']);
  if (given.form === 'negative') return { form: 'negative', weight: checkNumber(`${path}.weight`, given.weight ?? 1) };
  const target = checkNumber(`${path}.target`, given.target ?? 2);
  return { form: 'refl', target, scale: checkNumber(`${path}.scale`, given.scale ?? 1e-3, { above: 0 }) };
}

/** Pixel frames per latent frame after the first. */
export function strideOf({ config }: Net<VaeConfig>): number {
  return vaeStrides(config).time;
}

/** Video `[B, T, H, W, 3]` in [-1, 1] of latents; the gradient reaches the last `gradientLatents` latent frames. */
export function pixelsOf(decoder: Net<VaeConfig>, latents: Tensor, gradientLatents: number): Tensor {
  return (decoder.architecture as typeof vae).forward(decoder, latents, { gradientLatents });
}

/** Run `work` on the prompts as the reward encodes them. */
export async function withText<R>(
  { reward: judge, rewardPrompts }: Pick<JudgeSettings, 'reward' | 'rewardPrompts'>,
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

/** The pixel frame that is judged in a step, null for the whole clip. */
export function judgedFrame(
  { reward: judge, frames, decoder }: JudgeSettings,
  latentFrames: number,
  key: Key,
): number | null {
  if (judge.info.kind === 'clip' || frames === 'all') return null;
  const count = pixelFrames(latentFrames, strideOf(decoder));
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
 * `-mean R`, or another form, of latents `[B, F, H, W, C]` through the decoder, whose gradient reaches the latent
 * frames from `gradientFrom` on. Reports `reward`, `rewardStd` and `saturated`.
 */
export function rewardLoss(
  { decoder, reward: judge, loss }: Pick<JudgeSettings, 'decoder' | 'reward' | 'loss'>,
  latents: Tensor,
  { frame, text, gradientFrom }: Judged & { gradientFrom: number },
): Objective<'reward' | 'rewardStd' | 'saturated'> {
  const video = pixelsOf(decoder, latents, (latents.shape[1] as number) - gradientFrom);
  const seen = frame === null ? video : tf.squeeze(tf.slice(video, [0, frame], [-1, 1]), [1]); // [B, H, W, 3]
  const scores = scoresOf(judge, tf.clipByValue(tf.add(tf.mul(seen, 0.5), 0.5), 0, 1), text);
  const mean = tf.mean(scores);
  const rewardStd = tf.sqrt(tf.mean(tf.square(tf.sub(scores, mean))));
  const saturated = tf.mean(tf.cast(tf.greaterEqual(tf.abs(seen), 1), 'float32'));
  return { loss: lossOf(scores, mean, loss), values: { reward: mean, rewardStd, saturated } };
}

function lossOf(scores: Tensor, mean: Tensor, form: Required<RewardLossForm>): Tensor {
  if (form.form === 'refl') return reflLoss(scores, form.target, form.scale);
  return tf.neg(form.weight === 1 ? mean : tf.mul(mean, form.weight));
}

/** Scores `[B]` of pictures or clips; a frame reward judges a clip by the mean over its frames. */
function scoresOf(judge: Reward, frames: Tensor, text: readonly Tensor[]): Tensor {
  if (frames.rank === 4 || judge.info.kind === 'clip') return judge.compute(frames, text);
  return frameSelect(judge, 'all').compute(frames, text);
}
