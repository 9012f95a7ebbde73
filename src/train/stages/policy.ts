import { type Tensor, tf } from '../../engine/tf.ts';
import { withoutGradient } from '../../nn/index.ts';
import { learnerConfig } from '../ingredients.ts';
import { groupAdvantages, policyLoss, stepDivergence, stepLogDensity } from '../losses/policy.ts';
import type { Objective } from '../optimiser/gradients.ts';
import { type Average, Learner, type LearnerOptions } from '../optimiser/learner.ts';
import { makeUpdate, type UpdateResult } from '../optimiser/update.ts';
import { type BlockState, blockStates, estimateAt, type Level, releaseStates } from '../rollout/block-states.ts';
import {
  type ExplorationOptions,
  type Explored,
  explorationConfig,
  scoreValues,
  type Transition,
  withExploration,
} from '../rollout/exploration.ts';
import type { BoundStudent, RolloutIngredients } from '../rollout/supervised-rollout.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../run/stage.ts';

/** What policy-gradient training takes. */
export interface PolicyOptions<Cache> extends RunOptions, LearnerOptions, ExplorationOptions<Cache> {
  /** Weights that follow the student as a moving average, made by `ema.init`. */
  average?: Average;
  /** Updates on the same clips. @defaultValue 1 */
  updates?: number;
  /**
   * How far a step's density may move by these updates. Densities are means over all values of a step, so ratios stay
   * near 1. @defaultValue 1e-3
   */
  range?: number;
  /** A frozen student to stay near, usually the one that training starts from, with the weight of the divergence. */
  anchor?: { student: RolloutIngredients<Cache>['student']; weight: number };
}

/**
 * Training without the reward's gradient, by policy gradient: a few-step student re-noises its estimate after every
 * step, which makes the step a normal distribution with a known density. Of each prompt `samples` clips are
 * generated; the steps of clips above their group's mean become likelier, those below less. Of each update one
 * denoising step is supervised in all blocks, from the very states that the rollout passed. The last step, which adds
 * no noise, is never supervised: it learns only through shared weights. Reports `reward`, `rewardStd`, `rewardBest`,
 * `step`, `outside` (share of clipped ratios) and, with an anchor, `divergence`. Changes the student's weights in place.
 * Source: Black et al. 2023, arXiv 2305.13301 (DDPO); Xue et al. 2025, arXiv 2505.07818 (DanceGRPO).
 *
 * @throws RangeError when the student takes a single step.
 */
export function policy<Cache>(options: PolicyOptions<Cache>): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

/** What an update sees: the transitions of each block, the student's states before them, and what to make of it. */
interface Lesson<Cache> {
  student: BoundStudent<Cache>;
  states: readonly BlockState<Cache>[];
  transitions: readonly Transition[];
  /** The anchor's estimates, one a block. */
  anchored: readonly Tensor[] | null;
  /** `[B]` */
  advantages: Tensor;
  /** Noise level after the step. */
  sigma: number;
}

function prepare<Cache>(options: PolicyOptions<Cache>): Stage {
  const { average = null, samples = 4, updates = 1, range = 1e-3, schedule, anchor } = options;
  const steps = schedule.timesteps.length;
  const explored = explorationConfig(options);
  const learner = new Learner('student', options.student.weights, options, average);
  const update = makeUpdate(learner, (lesson: Lesson<Cache>) => objective(lesson, range, anchor?.weight ?? 0), {
    compiled: false,
  });
  const step: Stage['step'] = async (_, key) => {
    const index = key.stream('step').integer(0, steps - 1);
    const work = async (clips: Explored<Cache>): Promise<[UpdateResult, ...UpdateResult[]]> => {
      const results: UpdateResult[] = [];
      for (let i = 0; i < updates; i++) results.push(await onSteps(options, clips, index, update));
      const values = { ...scoreValues(clips.scores, samples), step: index };
      const [first, ...rest] = results.map((result) => ({ ...result, values: { ...result.values, ...values } }));
      return [first!, ...rest];
    };
    return withExploration(options, key, index, work);
  };
  const anchorWeight = anchor?.weight ?? null;
  const config = { ...learnerConfig(options, average), ...explored, updates, range, anchorWeight };
  return { name: 'policy', config, learners: [learner], step, dispose: update.dispose };
}

function objective<Cache>(lesson: Lesson<Cache>, range: number, weight: number): Objective {
  const { student, states, transitions, anchored, advantages, sigma } = lesson;
  const parts = states.map((state, i) => {
    const { next, x0: before } = transitions[i]!;
    const x0 = estimateAt(student, state);
    const [now, old] = [x0, before].map((estimate) => stepLogDensity(next, estimate, sigma)) as [Tensor, Tensor];
    const divergence = anchored ? tf.mean(stepDivergence(x0, anchored[i]!, sigma)) : null;
    return { ...policyLoss(now, old, advantages, range), divergence };
  });
  const mean = (values: readonly Tensor[]): Tensor => tf.div(tf.addN([...values]), values.length);
  const outside = mean(parts.map((part) => part.outside));
  const loss = mean(parts.map((part) => part.loss));
  if (!anchored) return { loss, values: { outside } };
  const divergence = mean(parts.map((part) => part.divergence!));
  return { loss: tf.add(loss, tf.mul(divergence, weight)), values: { outside, divergence } };
}

/** Runs one update on the steps that the clips took; the student is bound anew, since its weights may have moved. */
async function onSteps<Cache>(
  options: PolicyOptions<Cache>,
  explored: Explored<Cache>,
  index: number,
  update: (lesson: Lesson<Cache>) => Promise<UpdateResult>,
): Promise<UpdateResult> {
  const { samples = 4, schedule, anchor } = options;
  const { context, transitions, scores } = explored;
  const level = { t: schedule.timesteps[index]!, sigma: schedule.sigmas[index]! };
  const advantages = tf.tensor1d(groupAdvantages(scores, samples));
  const anchored = anchor ? estimates(anchor.student.bind(context), explored, level) : null;
  const student = options.student.bind(context);
  const states = statesOf(student, explored, level);
  try {
    const sigma = schedule.sigmas[index + 1]!;
    return await update({ student, states, transitions, anchored, advantages, sigma });
  } finally {
    releaseStates(student, states);
    student.dispose();
    tf.dispose([advantages, ...(anchored ?? [])]);
  }
}

function statesOf<Cache>(
  student: BoundStudent<Cache>,
  { blocks, latents, transitions }: Explored<Cache>,
  level: Level,
): BlockState<Cache>[] {
  const inputs = transitions.map(({ x }) => x);
  return blockStates(student, blocks, latents, inputs, level);
}

/** A student's estimates at the states of the rollout, as constants; the student is released. */
function estimates<Cache>(student: BoundStudent<Cache>, explored: Explored<Cache>, level: Level): Tensor[] {
  const states = statesOf(student, explored, level);
  try {
    return states.map((state) => tf.tidy(() => withoutGradient(() => estimateAt(student, state))));
  } finally {
    releaseStates(student, states);
    student.dispose();
  }
}
