import { type Tensor, tf } from '../../engine/tf.ts';
import { decode, type VaeConfig, vaeStrides } from '../../model/vae/index.ts';
import type { Key, Weights } from '../../nn/index.ts';
import { toTensor } from '../../nn/index.ts';
import { type FrameChoice, frameIndex, frameSelect, type Reward } from '../../reward/index.ts';
import {
  type BlockRange,
  blockRanges,
  type CausalStudent,
  drawExitSteps,
  type Schedule,
  type SelfRollout,
  seededNoise,
} from '../../sampler/index.ts';
import type { Objective } from '../gradients.ts';
import { type EncodeText, learnerConfig, type Source } from '../ingredients.ts';
import { type Average, Learner, type LearnerOptions } from '../learner.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../stage.ts';
import {
  blockOfFrame,
  pixelFrames,
  releaseRollouts,
  supervisedLatents,
  supervisedRollouts,
} from '../supervised-rollout.ts';
import { makeUpdate, type UpdateResult } from '../update.ts';

/** A causal student that is released after the rollouts of one step. */
export type BoundStudent<Cache> = CausalStudent<Cache> & { dispose(): void };

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
export function vaeDecoder(weights: Weights, config: VaeConfig): Decoder {
  const decoded: Decoder['decode'] = (latents, gradientLatents) =>
    decode(weights, config, latents, { gradientLatents });
  return { stride: vaeStrides(config).time, decode: decoded };
}

/** What phase 2, reward feedback, takes. */
export interface RewardTrainOptions<Cache> extends RunOptions, LearnerOptions {
  student: {
    weights: Weights;
    /** The student for the prompts of one batch, for instance `wanStudent(weights, config, context)`. */
    bind(context: Tensor): BoundStudent<Cache>;
  };
  average?: Average;
  decoder: Decoder;
  reward: Reward;
  /** Frames that a frame reward sees; `random` draws one for each step. @defaultValue 'last' */
  frames?: FrameChoice;
  prompts: Source<readonly string[]>;
  /** Shorter form of the prompts for the reward. @defaultValue the same prompts */
  rewardPrompts?: (prompts: readonly string[]) => readonly string[];
  encodeText: EncodeText;
  /** Clips per step. */
  batch: number;
  /** `[F, H, W, C]` of a clip's latents. */
  latentShape: readonly [frames: number, height: number, width: number, channels: number];
  /** The student's denoising steps, see `denoisingSteps`. */
  schedule: Schedule;
  /** At which step blocks stop: one drawn for all, always the last, one drawn for each. @defaultValue 'shared' */
  exitSteps?: 'shared' | 'last' | 'per-block';
}

/**
 * Phase 2: the student generates clips from its own context and climbs a differentiable reward, `L = -mean R(x̂, c)`.
 * Gradient flows through the exit step of the supervised block alone and through the decoder into that block's
 * latents; everything before is constant. Clip rewards and `frames: 'all'` supervise every block. Reports `reward`,
 * `rewardStd`, `exitStep`, `frame` and `saturated`, the share of pixels at the bounds, where no gradient flows.
 * Changes the student's weights in place. Source: Reward-Forcing, phase 2; Self-Forcing, training rollout.
 *
 * @throws TypeError when the reward has no gradient.
 */
export function reward<Cache>(options: RewardTrainOptions<Cache>): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

/** One batch, rolled out up to its exit steps. */
interface Rolled<Cache> {
  student: BoundStudent<Cache>;
  rollouts: readonly SelfRollout<Cache>[];
  blocks: readonly BlockRange[];
  /** Supervised pixel frame, null for all. */
  frame: number | null;
  /** Prompts as the reward encodes them. */
  text: readonly Tensor[];
}

function prepare<Cache>(options: RewardTrainOptions<Cache>): Stage {
  checkReward(options.reward);
  const { average = null, batch, latentShape, schedule, frames = 'last', exitSteps = 'shared' } = options;
  const learner = new Learner('student', options.student.weights, options, average);
  const update = makeUpdate(learner, (rolled: Rolled<Cache>) => objective(options, rolled), { compiled: false });
  const step: Stage['step'] = async (_, key) => [await rewardStep(options, update, key)];
  const sigmas = [...schedule.sigmas];
  const rewardId = options.reward.info.id;
  const config = {
    ...learnerConfig(options, average),
    batch,
    latentShape,
    sigmas,
    frames,
    exitSteps,
    reward: rewardId,
  };
  return { name: 'reward', config, learners: [learner], step, dispose: update.dispose };
}

function checkReward({ info }: Reward): void {
  if (info.differentiable) return;
  throw new TypeError(`the reward ${info.id} has no gradient: phase 2 needs a differentiable one, such as ImageReward`);
}

async function rewardStep<Cache>(
  options: RewardTrainOptions<Cache>,
  update: (rolled: Rolled<Cache>) => Promise<UpdateResult>,
  key: Key,
): Promise<UpdateResult> {
  const { batch, latentShape, schedule, exitSteps = 'shared', rewardPrompts = (prompts) => prompts } = options;
  const prompts = await options.prompts(key.stream('prompts'), batch);
  const context = options.encodeText(prompts);
  const student = options.student.bind(context);
  const noise = toTensor(key.stream('noise').normal([batch, ...latentShape]));
  const text = options.reward.encode(rewardPrompts(prompts));
  let rollouts: SelfRollout<Cache>[] = [];
  try {
    const ranges = blockRanges(latentShape[0], student.blocks);
    const { frame, blocks } = supervise(options, ranges, key.stream('frame'));
    const counts = { steps: schedule.timesteps.length, blocks: ranges.length, mode: exitSteps };
    const exitStep = drawExitSteps(key.stream('exit'), counts);
    const renoise = seededNoise(key.stream('renoise'));
    rollouts = await supervisedRollouts(student, noise, blocks, { schedule, renoise, exitStep });
    const result = await update({ student, rollouts, blocks, frame, text });
    const drawn = { exitStep: exitStep[blocks.at(-1)?.index ?? 0] ?? 0, frame: frame ?? -1 };
    return { ...result, values: { ...result.values, ...drawn } };
  } finally {
    releaseRollouts(rollouts);
    student.dispose();
    tf.dispose([context, noise, ...text]);
  }
}

/** The frame that is judged and the blocks through which gradient flows: that frame's block, or all. */
function supervise<Cache>(
  { reward: judge, frames = 'last', decoder: { stride }, latentShape }: RewardTrainOptions<Cache>,
  ranges: readonly BlockRange[],
  key: Key,
): { frame: number | null; blocks: readonly BlockRange[] } {
  if (judge.info.kind === 'clip' || frames === 'all') return { frame: null, blocks: ranges };
  const count = pixelFrames(latentShape[0], stride);
  const frame = frames === 'random' ? key.integer(0, count) : frameIndex(frames, count);
  return { frame, blocks: [blockOfFrame(ranges, frame, stride)] };
}

function objective<Cache>(options: RewardTrainOptions<Cache>, rolled: Rolled<Cache>): Objective {
  const { student, rollouts, blocks, frame, text } = rolled;
  const latents = supervisedLatents(student, rollouts, blocks);
  const constant = blocks[0]?.start ?? 0;
  const video = options.decoder.decode(latents, (latents.shape[1] as number) - constant);
  const judged = frame === null ? video : tf.squeeze(tf.slice(video, [0, frame], [-1, 1]), [1]); // [B, H, W, 3]
  const scores = judge(options.reward, tf.clipByValue(tf.add(tf.mul(judged, 0.5), 0.5), 0, 1), text);
  const mean = tf.mean(scores);
  const spread = tf.sqrt(tf.mean(tf.square(tf.sub(scores, mean))));
  const saturated = tf.mean(tf.cast(tf.greaterEqual(tf.abs(judged), 1), 'float32'));
  return { loss: tf.neg(mean), values: { reward: mean, rewardStd: spread, saturated } };
}

/** Scores `[B]` of pictures or clips; a frame reward judges a clip by the mean over its frames. */
function judge(reward: Reward, frames: Tensor, text: readonly Tensor[]): Tensor {
  if (frames.rank === 4 || reward.info.kind === 'clip') return reward.compute(frames, text);
  return frameSelect(reward, 'all').compute(frames, text);
}
