/** Stages for rewards without a gradient: policy gradient, and rejection of all but the best clips. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { WanConfig } from '../../model/internal.ts';
import type { Net } from '../../nn/index.ts';
import { withoutGradient } from '../../nn/internal.ts';
import { checkNet, checkNumber, checkWhole } from '../ingredients.ts';
import { groupAdvantages, groupsOf, policyLoss, stepDivergence, stepLogDensity } from '../losses.ts';
import { Learner } from '../optimiser/learner.ts';
import { settleTraining } from '../optimiser/learner-options.ts';
import type { Objective } from '../optimiser/optimiser.ts';
import { makeUpdate, type UpdateResult } from '../optimiser/update.ts';
import {
  type ExplorationOptions,
  type Explored,
  type Level,
  type ScoredStep,
  scoreValues,
  settleExploration,
  type Transition,
  withExploration,
  withStates,
} from '../rollout/exploration.ts';
import { runStage, type Stage, type StepResult, type TrainingOptions } from '../run/stage.ts';

export interface PolicyOptions extends TrainingOptions, ExplorationOptions {
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
  return runStage(() => policyStage(settlePolicy(options)), options);
}

export interface BestOfNOptions extends TrainingOptions, ExplorationOptions {
  /** Clips kept of each prompt. @defaultValue 1 */
  keep?: number;
}

/**
 * Training without the reward's gradient, by rejection: of each prompt `samples` clips are generated, and one denoising
 * step of the best `keep` becomes likelier in all blocks, from the very states that they passed:
 * `L = -mean log p(x_{j+1} | x_j)`, the likelihood of kept samples as in language models. Like `policy` without a
 * baseline: steadier in what it keeps, blind to what was bad, and noisier; it narrows the variety, so watch the
 * deviation within prompts. Regressing a few-step student onto kept clips instead (noised afresh, or as the ends of
 * its own states) blurs it: on the small scale the reward fell from 0.8 to 0.3 and below within 20 steps.
 * Changes the student's weights in place. Source: after Dong et al. 2023, arXiv 2304.06767 (RAFT, reward ranked
 * finetuning).
 *
 * @throws RangeError when the student takes a single step, which draws nothing.
 * @example for await (const { rewardBest } of train.bestOfN({ student, decoder, judge, prompts, text, ... })) {}
 */
export function bestOfN(options: BestOfNOptions): AsyncGenerator<ScoredStep, void, void> {
  return runStage(() => bestStage(settleBest(options)), options);
}

function settle(options: TrainingOptions & ExplorationOptions) {
  const exploration = settleExploration(options);
  return { ...settleTraining(exploration.student, options), ...exploration };
}

function settlePolicy(options: PolicyOptions) {
  const { updates = 1, clipRange = 1e-3, referenceModel } = options;
  return {
    ...settle(options),
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

function settleBest(options: BestOfNOptions) {
  const settled = settle(options);
  return { ...settled, keep: checkWhole('keep', options.keep ?? 1, 1, settled.samples - 1) };
}

type PolicySettings = ReturnType<typeof settlePolicy>;
type BestSettings = ReturnType<typeof settleBest>;
type Learn<Lesson, Name extends string> = (lesson: Lesson) => Promise<UpdateResult<Name>>;

/** A stage that generates scored clips, draws one of their denoising steps, and learns from it in all blocks. */
function exploring<Lesson, Name extends string, Step extends ScoredStep>(
  name: string,
  settings: ReturnType<typeof settle>,
  objective: (lesson: Lesson) => Objective<Name>,
  work: (clips: Explored, level: Level, learn: Learn<Lesson, Name>) => Promise<StepResult['updates']>,
): Stage<Step> {
  const { samples, schedule } = settings;
  const learner = new Learner('student', settings.student, settings);
  const update = makeUpdate(learner, objective, { compiled: false });
  const step: Stage<Step>['step'] = async (_, key) => {
    const index = key.stream('step').integer(0, schedule.timesteps.length - 1);
    const level = { t: schedule.timesteps[index]!, sigma: schedule.sigmas[index]!, next: schedule.sigmas[index + 1]! };
    return withExploration(settings, key, index, async (clips) => {
      const updates = await work(clips, level, update);
      const values = { ...updates.at(-1)!.values, ...scoreValues(clips.scores, samples), denoisingStep: index };
      return { updates, values: values as unknown as StepResult<Step>['values'] };
    });
  };
  return { name, settings, learners: [learner], step, dispose: update.dispose };
}

/** What an update sees: the transitions of each block, the student's estimates before them, and what to make of it. */
interface PolicyLesson {
  estimates: readonly (() => Tensor)[];
  transitions: readonly Transition[];
  /** The reference model's estimates, one a block. */
  reference: readonly Tensor[] | null;
  /** `[B]` */
  advantages: Tensor;
  /** Noise level after the step. */
  sigma: number;
}

type PolicyNames = 'outside' | 'divergence';

function policyStage(settings: PolicySettings): Stage<PolicyStep> {
  const objective = (lesson: PolicyLesson) => policyObjective(lesson, settings);
  return exploring('policy', settings, objective, async (clips, level, learn) => {
    const first = await onSteps(settings, clips, level, learn);
    const rest: UpdateResult[] = [];
    for (let i = 1; i < settings.updates; i++) rest.push(await onSteps(settings, clips, level, learn));
    return [first, ...rest];
  });
}

function policyObjective(lesson: PolicyLesson, { clipRange, referenceModel }: PolicySettings): Objective<PolicyNames> {
  const { estimates, transitions, reference, advantages, sigma } = lesson;
  const parts = estimates.map((estimate, i) => {
    const { next, x0: before } = transitions[i]!;
    const x0 = estimate();
    const [now, old] = [x0, before].map((each) => stepLogDensity(next, each, sigma)) as [Tensor, Tensor];
    const divergence = reference ? tf.mean(stepDivergence(x0, reference[i]!, sigma)) : null;
    return { ...policyLoss(now, old, advantages, clipRange), divergence };
  });
  const mean = (values: readonly Tensor[]): Tensor => tf.div(tf.addN([...values]), values.length);
  const outside = mean(parts.map((part) => part.outside));
  const loss = mean(parts.map((part) => part.loss));
  if (!reference || !referenceModel) return { loss, values: { outside } as Record<PolicyNames, Tensor> };
  const divergence = mean(parts.map((part) => part.divergence!));
  return { loss: tf.add(loss, tf.mul(divergence, referenceModel.weight)), values: { outside, divergence } };
}

/** One update on the steps that the clips took, whatever the student's weights are by now. */
async function onSteps(
  { student, samples, referenceModel }: PolicySettings,
  clips: Explored,
  level: Level,
  learn: Learn<PolicyLesson, PolicyNames>,
): Promise<UpdateResult> {
  const { transitions, scores } = clips;
  const inputs = transitions.map(({ x }) => x);
  const constants = async (estimates: PolicyLesson['estimates']): Promise<Tensor[]> =>
    estimates.map((estimate) => tf.tidy(() => withoutGradient(estimate)));
  const advantages = tf.tensor1d(groupAdvantages(scores, samples));
  const reference = referenceModel && (await withStates(referenceModel.net, clips, inputs, level, constants));
  try {
    return await withStates(student, clips, inputs, level, (estimates) =>
      learn({ estimates, transitions, reference, advantages, sigma: level.next }),
    );
  } finally {
    tf.dispose([advantages, ...(reference ?? [])]);
  }
}

/** What one update makes likelier: the states before a step and what they became, a pair for each block. */
interface BestLesson {
  estimates: readonly (() => Tensor)[];
  results: readonly Tensor[];
  /** Noise level after the step. */
  sigma: number;
}

function bestStage(settings: BestSettings): Stage<ScoredStep> {
  return exploring('best-of-n', settings, likelihood, async (clips, level, learn) => [
    await onBest(settings, clips, level, learn),
  ]);
}

function likelihood({ estimates, results, sigma }: BestLesson): Objective<never> {
  const densities = estimates.map((estimate, i) => tf.mean(stepLogDensity(results[i]!, estimate(), sigma)));
  return { loss: tf.div(tf.addN(densities), -densities.length) };
}

async function onBest(
  { student, samples, keep }: BestSettings,
  { scores, latents, transitions, context, blocks }: Explored,
  level: Level,
  learn: Learn<BestLesson, never>,
): Promise<UpdateResult> {
  const rows = tf.tensor1d(bestRows(scores, samples, keep), 'int32');
  const kept = (all: Tensor): Tensor => tf.gather(all, rows);
  const clips = { context: kept(context), blocks, latents: latents.map(kept) };
  const [inputs, results] = [transitions.map(({ x }) => kept(x)), transitions.map(({ next }) => kept(next))];
  try {
    return await withStates(student, clips, inputs, level, (estimates) =>
      learn({ estimates, results, sigma: level.next }),
    );
  } finally {
    tf.dispose([rows, clips.context, ...clips.latents, ...inputs, ...results]);
  }
}

/** Indices of the `keep` highest scores of each group, ties by order. */
function bestRows(scores: readonly number[], samples: number, keep: number): number[] {
  const ranked = scores.map((score, i) => ({ score, i }));
  return groupsOf(ranked, samples).flatMap((group) => {
    const best = group.sort((a, b) => b.score - a.score || a.i - b.i).slice(0, keep);
    return best.map(({ i }) => i);
  });
}
