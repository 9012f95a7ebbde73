import { type Tensor, tf } from '../../engine/tf.ts';
import type { WanConfig } from '../../model/internal.ts';
import type { Net } from '../../nn/index.ts';
import { withoutGradient } from '../../nn/internal.ts';
import { causalStudent } from '../../sampler/index.ts';
import { checkNet, checkNumber, checkWhole } from '../checks.ts';
import { groupAdvantages, policyLoss, stepDivergence, stepLogDensity } from '../losses/policy.ts';
import type { Objective } from '../optimiser/gradients.ts';
import { Learner } from '../optimiser/learner.ts';
import { type Average, type LearnerOptions, settleTraining } from '../optimiser/learner-options.ts';
import { makeUpdate, type UpdateResult } from '../optimiser/update.ts';
import {
  type BlockState,
  blockStates,
  type ExplorationOptions,
  type Explored,
  estimateAt,
  type Level,
  releaseStates,
  type ScoredStep,
  scoreValues,
  settleExploration,
  type Transition,
  withExploration,
} from '../rollout/exploration.ts';
import { type RunOptions, runStage, type Stage, type StepResult } from '../run/stage.ts';

/** What policy-gradient training takes. */
export interface PolicyOptions extends RunOptions, LearnerOptions, ExplorationOptions {
  average?: Average;
  /** Updates on the same clips. @defaultValue 1 */
  updates?: number;
  /**
   * How far a step's density may move by these updates. Densities are means over all values of a step, so ratios stay
   * near 1. @defaultValue 1e-3
   */
  clipRange?: number;
  /**
   * A frozen student to stay near, usually a copy of the one that training starts from, with the weight of the
   * divergence. @defaultValue none
   */
  referenceModel?: { net: Net<WanConfig>; weight: number };
}

/** A step of policy gradient. */
export interface PolicyStep extends ScoredStep {
  /** Share of clipped ratios. */
  outside: number;
  /** From the reference model, where there is one. */
  divergence?: number;
}

/**
 * Training without the reward's gradient, by policy gradient: a few-step student re-noises its estimate after every
 * step, which makes the step a normal distribution with a known density. Of each prompt `samples` clips are
 * generated; the steps of clips above their group's mean become likelier, those below less. Of each update one
 * denoising step is supervised in all blocks, from the very states that the rollout passed. The last step, which adds
 * no noise, is never supervised: it learns only through shared weights. Changes the student's weights in place.
 * Source: Black et al. 2023, arXiv 2305.13301 (DDPO); Xue et al. 2025, arXiv 2505.07818 (DanceGRPO).
 *
 * @throws RangeError when the student takes a single step.
 * @example for await (const { reward } of train.policy({ student, decoder, judge, prompts, text, ... })) {}
 */
export function policy(options: PolicyOptions): AsyncGenerator<PolicyStep, void, void> {
  return runStage(() => prepare(settle(options)), options);
}

function settle(options: PolicyOptions) {
  const { updates = 1, clipRange = 1e-3, referenceModel } = options;
  const exploration = settleExploration(options);
  return {
    ...settleTraining(exploration.student, options),
    ...exploration,
    updates: checkWhole('updates', updates, 1),
    clipRange: checkNumber('clipRange', clipRange, { above: 0 }),
    referenceModel: referenceModel
      ? {
          net: checkNet('referenceModel.net', referenceModel.net),
          weight: checkNumber('referenceModel.weight', referenceModel.weight),
        }
      : null,
  };
}

type Settings = ReturnType<typeof settle>;

/** What an update sees: the transitions of each block, the student's states before them, and what to make of it. */
interface Lesson {
  student: Explored['student'];
  states: readonly BlockState[];
  transitions: readonly Transition[];
  /** The reference model's estimates, one a block. */
  reference: readonly Tensor[] | null;
  /** `[B]` */
  advantages: Tensor;
  /** Noise level after the step. */
  sigma: number;
}

type Names = 'outside' | 'divergence';

function prepare(settings: Settings): Stage<PolicyStep> {
  const { samples, updates, schedule } = settings;
  const learner = new Learner('student', settings.student, settings);
  const update = makeUpdate(learner, (lesson: Lesson) => objective(lesson, settings), { compiled: false });
  const step: Stage<PolicyStep>['step'] = async (_, key) => {
    const index = key.stream('step').integer(0, schedule.timesteps.length - 1);
    return withExploration(settings, key, index, async (clips): Promise<StepResult<PolicyStep>> => {
      const results: UpdateResult<Names>[] = [];
      for (let i = 0; i < updates; i++) results.push(await onSteps(settings, clips, index, update));
      const [first, ...rest] = results as [UpdateResult<Names>, ...UpdateResult<Names>[]];
      const { values } = rest.at(-1) ?? first;
      return {
        updates: [first, ...rest],
        values: { ...values, ...scoreValues(clips.scores, samples), denoisingStep: index },
      };
    });
  };
  return { name: 'policy', settings, learners: [learner], step, dispose: update.dispose };
}

function objective(lesson: Lesson, { clipRange, referenceModel }: Settings): Objective<Names> {
  const { student, states, transitions, reference, advantages, sigma } = lesson;
  const parts = states.map((state, i) => {
    const { next, x0: before } = transitions[i]!;
    const x0 = estimateAt(student, state);
    const [now, old] = [x0, before].map((estimate) => stepLogDensity(next, estimate, sigma)) as [Tensor, Tensor];
    const divergence = reference ? tf.mean(stepDivergence(x0, reference[i]!, sigma)) : null;
    return { ...policyLoss(now, old, advantages, clipRange), divergence };
  });
  const mean = (values: readonly Tensor[]): Tensor => tf.div(tf.addN([...values]), values.length);
  const outside = mean(parts.map((part) => part.outside));
  const loss = mean(parts.map((part) => part.loss));
  if (!reference || !referenceModel) return { loss, values: { outside } as Record<Names, Tensor> };
  const divergence = mean(parts.map((part) => part.divergence!));
  return { loss: tf.add(loss, tf.mul(divergence, referenceModel.weight)), values: { outside, divergence } };
}

/** Runs one update on the steps that the clips took; the student is bound anew, since its weights may have moved. */
async function onSteps(
  { student: net, samples, schedule, referenceModel }: Settings,
  explored: Explored,
  index: number,
  update: (lesson: Lesson) => Promise<UpdateResult<Names>>,
): Promise<UpdateResult<Names>> {
  const { context, transitions, scores } = explored;
  const level = { t: schedule.timesteps[index]!, sigma: schedule.sigmas[index]! };
  const advantages = tf.tensor1d(groupAdvantages(scores, samples));
  const reference = referenceModel ? estimates(causalStudent(referenceModel.net, context), explored, level) : null;
  const student = causalStudent(net, context);
  const states = statesOf(student, explored, level);
  try {
    const sigma = schedule.sigmas[index + 1]!;
    return await update({ student, states, transitions, reference, advantages, sigma });
  } finally {
    releaseStates(student, states);
    student.dispose();
    tf.dispose([advantages, ...(reference ?? [])]);
  }
}

function statesOf(student: Explored['student'], explored: Explored, level: Level): BlockState[] {
  const inputs = explored.transitions.map(({ x }) => x);
  return blockStates(student, explored, inputs, level);
}

/** A student's estimates at the states of the rollout, as constants; the student is released. */
function estimates(student: Explored['student'], explored: Explored, level: Level): Tensor[] {
  const states = statesOf(student, explored, level);
  try {
    return states.map((state) => tf.tidy(() => withoutGradient(() => estimateAt(student, state))));
  } finally {
    releaseStates(student, states);
    student.dispose();
  }
}
