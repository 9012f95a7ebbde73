/** What a differentiable reward makes of latents. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type VaeConfig, type vae, vaeStrides } from '../../model/internal.ts';
import { type Key, type Net, random, toUnit } from '../../nn/index.ts';
import { type FrameChoice, frameSelect, type Reward, type RewardText } from '../../reward/index.ts';
import { chooseFrames, reflLoss } from '../../reward/internal.ts';
import { checkChoice, checkFunction, checkMethods, checkNet, checkNumber, shown } from '../ingredients.ts';
import type { Objective } from '../optimiser/optimiser.ts';
import { pixelFrames } from './supervised-rollout.ts';

/**
 * What is minimised of scores R: `negative` is `-weight · mean R` (Reward-Forcing), `refl` is
 * `scale · mean max(0, target - R)`, which stops pushing what reached the target (ImageReward's ReFL).
 */
export type RewardLossForm =
  | { form: 'negative' /** @defaultValue 1 */; weight?: number }
  | { form: 'refl' /** @defaultValue 2 */; target?: number /** @defaultValue 1e-3 */; scale?: number };

export interface JudgeOptions {
  /** Turns latents into the pixels that the reward sees. */
  decoder: Net<VaeConfig>;
  reward: Reward;
  /** Frames that a frame reward sees; `random-per-batch` draws one for each step. @defaultValue 'last' */
  frames?: FrameChoice;
  /** @defaultValue `{ form: 'negative', weight: 1 }` */
  loss?: RewardLossForm;
  /** Shorter form of the prompts for the reward. @defaultValue the same prompts */
  rewardPrompts?: (prompts: readonly string[]) => readonly string[];
}

export interface JudgeSettings extends Required<JudgeOptions> {
  loss: Required<RewardLossForm>;
}

/** Options with their defaults, checked for clips of `latentFrames`; `path` is put before names in errors. */
export function settleJudge(options: JudgeOptions, latentFrames: number, path: string = ''): JudgeSettings {
  const { rewardPrompts = (prompts) => prompts } = options;
  const reward = checkMethods(`${path}reward`, options.reward, ['encode', 'compute'], 'a reward');
  const { id, differentiable, kind } = reward.info;
  const { frames = kind === 'clip' ? 'all' : 'last' } = options;
  if (kind === 'clip' && frames !== 'all') {
    throw new TypeError(`${path}frames: ${id} sees whole clips, received ${shown(frames)}: leave it out`);
  }
  if (!differentiable) {
    throw new TypeError(
      `${path}reward: ${id} has no gradient, wanted a differentiable one, such as ImageReward; train.policy climbs any`,
    );
  }
  const decoder = checkNet(`${path}decoder`, options.decoder);
  chooseFrames(frames, { clips: 1, frames: framesOf({ decoder }, latentFrames), key: random.key(0) });
  checkFunction(`${path}rewardPrompts`, rewardPrompts, '(prompts) => prompts for the reward');
  return { decoder, reward, frames, loss: settleForm(options.loss, `${path}loss`), rewardPrompts };
}

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

/** Pixel frames of clips of so many latent frames. */
function framesOf({ decoder }: Pick<JudgeSettings, 'decoder'>, latentFrames: number): number {
  return pixelFrames(latentFrames, strideOf(decoder));
}

/** The reward; one that no single frame of the batch is shown to judges clips. */
function judgeOf({ reward, frames }: Pick<JudgeSettings, 'reward' | 'frames'>): Reward {
  const isOne = frames !== 'all' && frames !== 'random-per-clip';
  return reward.info.kind === 'clip' || isOne ? reward : frameSelect(reward, frames);
}

/** The pixel frame that is judged in a step, null for the whole clip; `key` is that of the step. */
export function judgedFrame(settings: JudgeSettings, latentFrames: number, key: Key): number | null {
  if (judgeOf(settings).info.kind === 'clip') return null;
  return chooseFrames(settings.frames, { clips: 1, frames: framesOf(settings, latentFrames), key }) as number;
}

export interface Judged {
  /** Pixel frame, null for all. */
  frame: number | null;
  text: RewardText;
}

/** Run `work` on the frame and on the prompts as the reward encodes them, for clips of so many latent frames. */
export async function withJudged<R>(
  settings: JudgeSettings,
  prompts: readonly string[],
  { latentFrames, key }: { latentFrames: number; key: Key },
  work: (judged: Judged) => Promise<R>,
): Promise<R> {
  const clips = { frames: framesOf(settings, latentFrames), key };
  const text = judgeOf(settings).encode(settings.rewardPrompts(prompts), clips);
  try {
    return await work({ frame: judgedFrame(settings, latentFrames, key), text });
  } finally {
    tf.dispose({ ...text });
  }
}

/**
 * `-mean R`, or another form, of latents `[B, F, H, W, C]` through the decoder, whose gradient reaches the latent
 * frames from `gradientFrom` on. Reports `reward`, `rewardStd` and `saturated`.
 */
export function rewardLoss(
  settings: Pick<JudgeSettings, 'decoder' | 'reward' | 'frames' | 'loss'>,
  latents: Tensor,
  { frame, text, gradientFrom }: Judged & { gradientFrom: number },
): Objective<'reward' | 'rewardStd' | 'saturated'> {
  const video = pixelsOf(settings.decoder, latents, (latents.shape[1] as number) - gradientFrom);
  const seen = frame === null ? video : tf.squeeze(tf.slice(video, [0, frame], [-1, 1]), [1]); // [B, H, W, 3]
  const scores = judgeOf(settings).compute(tf.clipByValue(toUnit(seen), 0, 1), text); // [B]
  const mean = tf.mean(scores);
  const rewardStd = tf.sqrt(tf.mean(tf.square(tf.sub(scores, mean))));
  const saturated = tf.mean(tf.cast(tf.greaterEqual(tf.abs(seen), 1), 'float32'));
  return { loss: lossOf(scores, mean, settings.loss), values: { reward: mean, rewardStd, saturated } };
}

function lossOf(scores: Tensor, mean: Tensor, form: Required<RewardLossForm>): Tensor {
  if (form.form === 'refl') return reflLoss(scores, form.target, form.scale);
  return tf.neg(form.weight === 1 ? mean : tf.mul(mean, form.weight));
}
