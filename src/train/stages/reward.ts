import type { BlockRange } from '../../sampler/index.ts';
import { learnerConfig } from '../ingredients.ts';
import type { Objective } from '../optimiser/gradients.ts';
import { type Average, Learner, type LearnerOptions } from '../optimiser/learner.ts';
import { makeUpdate, type UpdateResult } from '../optimiser/update.ts';
import {
  checkReward,
  type Judged,
  type JudgeOptions,
  judgedFrame,
  rewardLoss,
  withText,
} from '../rollout/reward-loss.ts';
import {
  blockOfFrame,
  pixelFrames,
  type Rolled,
  type RolloutIngredients,
  supervisedLatents,
  withRollouts,
} from '../rollout/supervised-rollout.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../run/stage.ts';

/** What phase 2, reward feedback, takes. */
export interface RewardTrainOptions<Cache> extends RunOptions, LearnerOptions, RolloutIngredients<Cache>, JudgeOptions {
  /** Weights that follow the student as a moving average, made by `ema.init`. */
  average?: Average;
}

/**
 * Phase 2: the student generates clips from its own context and climbs a differentiable reward, `L = -mean R(x̂, c)` or ReFL's form of it.
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

function prepare<Cache>(options: RewardTrainOptions<Cache>): Stage {
  checkReward(options.reward);
  const { average = null, batch, latentShape, schedule, frames = 'last', exitSteps = 'shared' } = options;
  const learner = new Learner('student', options.student.weights, options, average);
  const objective = (rolled: Rolled<Cache>, judged: Judged): Objective => {
    const latents = supervisedLatents(rolled);
    return rewardLoss(options, latents, { ...judged, gradientFrom: rolled.blocks[0]?.start ?? 0 });
  };
  const update = makeUpdate(learner, objective, { compiled: false });
  const step: Stage['step'] = async (_, key) => {
    const count = pixelFrames(latentShape[0], options.decoder.stride);
    const frame = judgedFrame(options, count, key);
    const supervised = (ranges: readonly BlockRange[]): readonly BlockRange[] =>
      frame === null ? ranges : [blockOfFrame(ranges, frame, options.decoder.stride)];
    const work = async (rolled: Rolled<Cache>): Promise<UpdateResult> => {
      const result = await withText(options, rolled.prompts, { count, key }, (text) => update(rolled, { frame, text }));
      return { ...result, values: { ...result.values, exitStep: rolled.exitStep, frame: frame ?? -1 } };
    };
    return [await withRollouts(options, key, supervised, work)];
  };
  const given = { batch, latentShape, sigmas: [...schedule.sigmas], frames, exitSteps, reward: options.reward.info.id };
  const form = options.loss ? { loss: { ...options.loss } } : {};
  const config = { ...learnerConfig(options, average), ...given, ...form };
  return { name: 'reward', config, learners: [learner], step, dispose: update.dispose };
}
