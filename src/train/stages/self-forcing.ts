import { type Tensor, tf } from '../../engine/tf.ts';
import type { Key } from '../../nn/index.ts';
import { withoutGradient } from '../../nn/internal.ts';
import { checkNumber, withTensors } from '../ingredients.ts';
import { dmdLoss } from '../losses.ts';
import { Learner } from '../optimiser/learner.ts';
import { type Average, type LearnerOptions, settleAverage, settleLearner } from '../optimiser/learner-options.ts';
import type { Objective } from '../optimiser/optimiser.ts';
import { makeUpdate, type Update, type UpdateResult } from '../optimiser/update.ts';
import { type Judged, type JudgeOptions, rewardLoss, settleJudge, withJudged } from '../rollout/reward-loss.ts';
import {
  type Rolled,
  type RolloutIngredients,
  settleRollouts,
  supervisedLatents,
  withRollouts,
} from '../rollout/supervised-rollout.ts';
import { type RunOptions, runStage, type Stage } from '../run/stage.ts';
import {
  alternating,
  criticLoss,
  drawView,
  type MatchingStep,
  matchingDirection,
  type ScoreOptions,
  type ScoreView,
  settleScores,
} from './distribution-matching.ts';

export interface SelfForcingOptions extends RunOptions, RolloutIngredients, ScoreOptions {
  studentLearner: LearnerOptions;
  criticLearner: LearnerOptions;
  average?: Average;
  /** A reward that is climbed at the same time, `L = L_DMD + weight · L_reward`. @defaultValue none */
  feedback?: JudgeOptions & { weight: number };
}

/** A step of self forcing; the reward's numbers stand where there is feedback. */
export interface SelfForcingStep extends MatchingStep {
  dmdLoss?: number;
  reward?: number;
  rewardStd?: number;
  saturated?: number;
}

/**
 * Self Forcing: distribution matching on clips that the causal student generates from its own context, every block
 * with gradient through its exit step; with `feedback` the paper's combined loss of distillation and reward. Every
 * step updates the critic, every `generatorEvery`-th first the student; numbers are named as in `distil`.
 * Changes the weights of student and critic in place. Source: Huang et al., Self Forcing; Reward-Forcing, ablations.
 *
 * @example for await (const { generatorLoss } of train.selfForcing({ student, critic, teacher, prompts, text, ... })) {}
 */
export function selfForcing(options: SelfForcingOptions): AsyncGenerator<SelfForcingStep, void, void> {
  return runStage(() => prepare(settle(options)), options);
}

function settle(options: SelfForcingOptions) {
  const [scores, rollouts] = [settleScores(options), settleRollouts(options)];
  const { feedback } = options;
  return {
    ...scores,
    ...rollouts,
    studentLearner: settleLearner(rollouts.student, options.studentLearner, 'studentLearner.'),
    criticLearner: settleLearner(scores.critic, options.criticLearner, 'criticLearner.'),
    average: settleAverage(options.average, rollouts.student),
    feedback: feedback
      ? {
          ...settleJudge(feedback, options.latentShape[0], 'feedback.'),
          weight: checkNumber('feedback.weight', feedback.weight),
        }
      : null,
  };
}

type Settings = ReturnType<typeof settle>;
type Lesson = [rolled: Rolled, view: ScoreView, judged: Judged | null];
type Names = 'dmdGradient' | 'dmdLoss' | 'reward' | 'rewardStd' | 'saturated';

function prepare(settings: Settings): Stage<SelfForcingStep> {
  const { student, critic } = settings;
  const learners = [
    new Learner('student', student, { ...settings.studentLearner, average: settings.average }),
    new Learner('critic', critic, settings.criticLearner),
  ] as const;
  const updateStudent = makeUpdate(learners[0], (...lesson: Lesson) => studentObjective(settings, lesson), {
    compiled: false,
  });
  const updateCritic = makeUpdate(learners[1], (view: ScoreView, x0: Tensor) => ({
    loss: criticLoss(critic, x0, view),
  }));
  return alternating('self-forcing', settings, {
    learners,
    generator: (key) => studentStep(settings, updateStudent, key.stream('student')),
    critic: (key) => criticStep(settings, updateCritic, key.stream('critic')),
    owned: [updateStudent, updateCritic],
  });
}

function studentObjective(settings: Settings, [rolled, view, judged]: Lesson): Objective<Names> {
  const x0 = supervisedLatents(rolled);
  const direction = matchingDirection(settings, x0, view);
  const dmd = dmdLoss(x0, direction);
  const matching = { dmdGradient: tf.mean(tf.abs(direction)) };
  if (!settings.feedback || !judged) return { loss: dmd, values: matching as Record<Names, Tensor> };
  const feedback = rewardLoss(settings.feedback, x0, { ...judged, gradientFrom: 0 });
  const loss = tf.add(dmd, tf.mul(feedback.loss, settings.feedback.weight));
  return { loss, values: { ...matching, dmdLoss: dmd, ...feedback.values! } };
}

/** All blocks of a rollout, scored by both scores and perhaps by the reward. */
async function studentStep(settings: Settings, update: Update<Lesson, Names>, key: Key): Promise<UpdateResult<Names>> {
  const { feedback, latentShape } = settings;
  return withRollouts(settings, key, async (rolled) =>
    withTensors<ScoreView, UpdateResult<Names>>(await viewOf(settings, rolled, key), (view) => {
      if (!feedback) return update(rolled, view, null);
      const clips = { latentFrames: latentShape[0], key };
      return withJudged(feedback, rolled.prompts, clips, (judged) => update(rolled, view, judged));
    }),
  );
}

/** Flow matching on a rollout, which is a constant here. */
async function criticStep(settings: Settings, update: Update<[ScoreView, Tensor]>, key: Key): Promise<UpdateResult> {
  const work = async (rolled: Rolled): Promise<UpdateResult> => {
    const x0 = tf.tidy(() => withoutGradient(() => supervisedLatents(rolled)));
    const sources = { ...(await viewOf(settings, rolled, key)), x0 };
    return withTensors<ScoreView & { x0: Tensor }, UpdateResult>(sources, ({ x0: clips, ...view }) =>
      update(view, clips),
    );
  };
  return withRollouts(settings, key, work, (blocks) => blocks.slice(-1));
}

function viewOf(settings: Settings, { prompts }: Rolled, key: Key): Promise<ScoreView> {
  return drawView(settings, { key: key.stream('view'), prompts, shape: [prompts.length, ...settings.latentShape] });
}
