import { type Tensor, tf } from '../../engine/tf.ts';
import type { BlockRange } from '../../sampler/internal.ts';
import { Learner } from '../optimiser/learner.ts';
import { settleTraining } from '../optimiser/learner-options.ts';
import type { Objective } from '../optimiser/optimiser.ts';
import { makeUpdate } from '../optimiser/update.ts';
import { type AnchorOptions, anchored, driftOf, referenceEstimates, settleAnchor } from '../rollout/anchor.ts';
import {
  type Judged,
  type JudgeOptions,
  judgedFrame,
  rewardLoss,
  settleJudge,
  strideOf,
  withJudged,
} from '../rollout/reward-loss.ts';
import {
  blockOfFrame,
  type Rolled,
  type RolloutIngredients,
  settleRollouts,
  supervise,
  withRollouts,
} from '../rollout/supervised-rollout.ts';
import { runStage, type Stage, type StepResult, type TrainingOptions, type TrainStep } from '../run/stage.ts';

export interface RewardTrainOptions extends TrainingOptions, RolloutIngredients, JudgeOptions {
  /** Holds the student near a frozen one. @defaultValue none */
  anchor?: AnchorOptions;
}

export interface RewardStep extends TrainStep {
  /** Mean over the batch. */
  reward: number;
  rewardStd: number;
  /** Share of pixels at the bounds, where no gradient flows. */
  saturated: number;
  /** Denoising step that carried the gradient. */
  exitStep: number;
  /** Pixel frame that was judged, -1 for the whole clip. */
  frame: number;
  /** Mean squared difference from the anchor, where there is one. */
  drift?: number;
  /** 1 where the drift is above its limit and the reward does not pull. */
  held?: number;
}

/**
 * Phase 2: the student generates clips from its own context and climbs a differentiable reward, `L = -mean R(x̂, c)` or
 * ReFL's bounded loss. Gradient flows through the exit step of the supervised block alone and through the decoder into
 * that block's latents; everything before is constant. Clip rewards and `frames: 'all'` supervise every block.
 * With an `anchor` `L + weight · mean (v - v_ref)²`, v_ref a frozen student's velocity at the same states.
 * Changes the student's weights in place. Source: Reward-Forcing, phase 2; Self-Forcing, training rollout.
 *
 * @throws TypeError when the reward has no gradient.
 * @example for await (const { step, reward } of train.reward({ student, decoder, reward: judge, prompts, text, ... })) {}
 */
export function reward(options: RewardTrainOptions): AsyncGenerator<RewardStep, void, void> {
  return runStage(() => prepare(settle(options)), options);
}

function settle(options: RewardTrainOptions) {
  const rollouts = settleRollouts(options);
  return {
    ...settleTraining(rollouts.student, options),
    ...rollouts,
    ...settleJudge(options, rollouts.latentShape[0]),
    anchor: settleAnchor(options.anchor, rollouts.student),
  };
}

type Names = 'reward' | 'rewardStd' | 'saturated' | 'drift' | 'held';

function prepare(settings: ReturnType<typeof settle>): Stage<RewardStep> {
  const { student, decoder } = settings;
  const [latentFrames] = settings.latentShape;
  const learner = new Learner('student', student, settings);
  const { anchor } = settings;
  const objective = (rolled: Rolled, judged: Judged, reference: readonly Tensor[]): Objective<Names> => {
    const { latents, estimates } = supervise(rolled);
    const gradientFrom = rolled.blocks[0]?.start ?? 0;
    const judgement = rewardLoss(settings, latents, { ...judged, gradientFrom });
    return anchor
      ? anchored(anchor, judgement, driftOf(anchor, rolled, estimates, reference))
      : (judgement as Objective<Names>);
  };
  const update = makeUpdate(learner, objective, { compiled: false });
  const step: Stage<RewardStep>['step'] = async (_, key) => {
    const frame = judgedFrame(settings, latentFrames, key);
    const supervised = (ranges: readonly BlockRange[]): readonly BlockRange[] =>
      frame === null ? ranges : [blockOfFrame(ranges, frame, strideOf(decoder))];
    const work = async (rolled: Rolled): Promise<StepResult<RewardStep>> => {
      const clips = { latentFrames, key };
      const reference = anchor ? referenceEstimates(anchor, rolled) : [];
      const result = await withJudged(settings, rolled.prompts, clips, (judged) => update(rolled, judged, reference));
      tf.dispose(reference);
      return { updates: [result], values: { ...result.values, exitStep: rolled.exitStep, frame: frame ?? -1 } };
    };
    return withRollouts(settings, key, work, supervised);
  };
  return { name: 'reward', settings, learners: [learner], step, dispose: update.dispose };
}
