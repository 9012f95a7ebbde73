import { type Tensor, tf } from '../../engine/tf.ts';
import { type Key, withoutGradient } from '../../nn/index.ts';
import type { BlockRange } from '../../sampler/index.ts';
import { learnerConfig, withTensors } from '../ingredients.ts';
import { dmdLoss } from '../losses/dmd.ts';
import type { Objective } from '../optimiser/gradients.ts';
import { type Average, Learner, type LearnerOptions } from '../optimiser/learner.ts';
import { asGenerator, makeUpdate, type Update, type UpdateResult } from '../optimiser/update.ts';
import {
  checkReward,
  type Judged,
  type JudgeOptions,
  judgedFrame,
  rewardLoss,
  withText,
} from '../rollout/reward-loss.ts';
import {
  pixelFrames,
  type Rolled,
  type RolloutIngredients,
  supervisedLatents,
  withRollouts,
} from '../rollout/supervised-rollout.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../run/stage.ts';
import {
  criticLoss,
  drawView,
  matchingDirection,
  type ScoreOptions,
  type ScoreView,
  scoreConfig,
} from './distribution-matching.ts';

/** What distribution matching on self-rollouts takes. */
export interface SelfForcingOptions<Cache> extends RunOptions, RolloutIngredients<Cache>, ScoreOptions {
  studentLearner: LearnerOptions;
  criticLearner: LearnerOptions;
  /** Weights that follow the student as a moving average, made by `ema.init`. */
  average?: Average;
  /** Steps (critic updates) per student update. @defaultValue 5 */
  generatorEvery?: number;
  /** A reward that is climbed at the same time, `L = L_DMD + weight · L_reward`. */
  feedback?: JudgeOptions & { weight: number };
}

/**
 * Self Forcing: distribution matching on clips that the causal student generates from its own context, every block
 * with gradient through its exit step; with `feedback` the paper's combined loss of distillation and reward. Every
 * step updates the critic, every `generatorEvery`-th first the student; numbers are named as in `distil`.
 * Changes the weights of student and critic in place. Source: Huang et al., Self Forcing; Reward-Forcing, ablations.
 */
export function selfForcing<Cache>(options: SelfForcingOptions<Cache>): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

function prepare<Cache>(options: SelfForcingOptions<Cache>): Stage {
  const { average = null, generatorEvery = 5 } = options;
  if (options.feedback) checkReward(options.feedback.reward);
  const student = new Learner('student', options.student.weights, options.studentLearner, average);
  const critic = new Learner('critic', options.critic.weights, options.criticLearner);
  const updateStudent = makeUpdate(student, studentObjective(options), { compiled: false });
  const updateCritic = makeUpdate(critic, (view: ScoreView, x0: Tensor) => ({
    loss: criticLoss(options.critic, x0, view),
  }));
  const step: Stage['step'] = async (index, key) => {
    const trained: UpdateResult[] = [];
    if ((index - 1) % generatorEvery === 0) {
      trained.push(asGenerator(await studentStep(options, updateStudent, key.stream('student'))));
    }
    return [await criticStep(options, updateCritic, key.stream('critic')), ...trained];
  };
  const dispose = (): void => {
    for (const update of [updateStudent, updateCritic]) update.dispose();
  };
  return { name: 'self-forcing', config: configOf(options), learners: [student, critic], step, dispose };
}

function configOf<Cache>(options: SelfForcingOptions<Cache>): Stage['config'] {
  const { batch, latentShape, schedule, exitSteps = 'shared', generatorEvery = 5, feedback } = options;
  const student = learnerConfig(options.studentLearner, options.average);
  const critic = learnerConfig(options.criticLearner);
  const rolled = { batch, latentShape, sigmas: [...schedule.sigmas], exitSteps, generatorEvery };
  return {
    student,
    critic,
    ...scoreConfig(options),
    ...rolled,
    ...(feedback && { feedback: feedbackConfig(feedback) }),
  };
}

function feedbackConfig({ weight, frames = 'last', reward, loss }: JudgeOptions & { weight: number }): Stage['config'] {
  return { weight, frames, reward: reward.info.id, ...(loss && { loss: { ...loss } }) };
}

type StudentBatch<Cache> = [rolled: Rolled<Cache>, view: ScoreView, judged: Judged | null];

function studentObjective<Cache>(options: SelfForcingOptions<Cache>): (...batch: StudentBatch<Cache>) => Objective {
  return (rolled, view, judged) => {
    const x0 = supervisedLatents(rolled);
    const direction = matchingDirection(options, x0, view);
    const matching = { loss: dmdLoss(x0, direction), values: { dmdGradient: tf.mean(tf.abs(direction)) } };
    if (!options.feedback || !judged) return matching;
    const feedback = rewardLoss(options.feedback, x0, { ...judged, gradientFrom: 0 });
    const loss = tf.add(matching.loss, tf.mul(feedback.loss, options.feedback.weight));
    return { loss, values: { ...matching.values, dmdLoss: matching.loss, ...feedback.values } };
  };
}

async function studentStep<Cache>(
  options: SelfForcingOptions<Cache>,
  update: Update<StudentBatch<Cache>>,
  key: Key,
): Promise<UpdateResult> {
  const { feedback } = options;
  return withRollouts(options, key, everyBlock, (rolled) =>
    withTensors<ScoreView, UpdateResult>(viewOf(options, rolled, key), (view) => {
      if (!feedback) return update(rolled, view, null);
      const count = pixelFrames(options.latentShape[0], feedback.decoder.stride);
      const frame = judgedFrame(feedback, count, key);
      return withText(feedback, rolled.prompts, { count, key }, (text) => update(rolled, view, { frame, text }));
    }),
  );
}

async function criticStep<Cache>(
  options: SelfForcingOptions<Cache>,
  update: Update<[ScoreView, Tensor]>,
  key: Key,
): Promise<UpdateResult> {
  return withRollouts(options, key, lastBlockOf, (rolled) => {
    const x0 = tf.tidy(() => withoutGradient(() => supervisedLatents(rolled)));
    return withTensors<ScoreView & { x0: Tensor }, UpdateResult>(
      { ...viewOf(options, rolled, key), x0 },
      ({ x0: clips, ...view }) => update(view, clips),
    );
  });
}

function everyBlock(ranges: readonly BlockRange[]): readonly BlockRange[] {
  return ranges;
}

function lastBlockOf(ranges: readonly BlockRange[]): readonly BlockRange[] {
  return ranges.slice(-1);
}

function viewOf<Cache>(options: SelfForcingOptions<Cache>, { prompts }: Rolled<Cache>, key: Key): ScoreView {
  return drawView(options, { key: key.stream('view'), prompts, shape: [prompts.length, ...options.latentShape] });
}
