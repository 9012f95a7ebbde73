import { type Tensor, tf } from '../../engine/tf.ts';
import { causalStudent } from '../../sampler/index.ts';
import { checkWhole } from '../checks.ts';
import { groupsOf, stepLogDensity } from '../losses/policy.ts';
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
  releaseStates,
  type ScoredStep,
  scoreValues,
  settleExploration,
  withExploration,
} from '../rollout/exploration.ts';
import { type RunOptions, runStage, type Stage, type StepResult } from '../run/stage.ts';

/** What training on the best of n clips takes. */
export interface BestOfNOptions extends RunOptions, LearnerOptions, ExplorationOptions {
  average?: Average;
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
  return runStage(() => prepare(settle(options)), options);
}

function settle(options: BestOfNOptions) {
  const exploration = settleExploration(options);
  return {
    ...settleTraining(exploration.student, options),
    ...exploration,
    keep: checkWhole('keep', options.keep ?? 1, 1, exploration.samples - 1),
  };
}

type Settings = ReturnType<typeof settle>;

/** What one update makes likelier: the states before a step and what they became, a pair for each block. */
interface Lesson {
  student: Explored['student'];
  states: readonly BlockState[];
  results: readonly Tensor[];
  /** Noise level after the step. */
  sigma: number;
}

function prepare(settings: Settings): Stage<ScoredStep> {
  const { samples, schedule } = settings;
  const learner = new Learner('student', settings.student, settings);
  const update = makeUpdate(learner, likelihood, { compiled: false });
  const step: Stage<ScoredStep>['step'] = async (_, key) => {
    const index = key.stream('step').integer(0, schedule.timesteps.length - 1);
    return withExploration(settings, key, index, async (clips): Promise<StepResult<ScoredStep>> => {
      const result = await onBest(settings, clips, index, update);
      return { updates: [result], values: { ...scoreValues(clips.scores, samples), denoisingStep: index } };
    });
  };
  return { name: 'best-of-n', settings, learners: [learner], step, dispose: update.dispose };
}

function likelihood({ student, states, results, sigma }: Lesson): Objective<never> {
  const densities = states.map((state, i) => tf.mean(stepLogDensity(results[i]!, estimateAt(student, state), sigma)));
  return { loss: tf.div(tf.addN(densities), -densities.length) };
}

/** Picks the best clips and runs the update on the steps that they took. */
async function onBest(
  { student: net, samples, keep, schedule }: Settings,
  { scores, latents, transitions, context, blocks }: Explored,
  index: number,
  update: (lesson: Lesson) => Promise<UpdateResult>,
): Promise<UpdateResult> {
  const level = { t: schedule.timesteps[index]!, sigma: schedule.sigmas[index]! };
  const rows = tf.tensor1d(bestRows(scores, samples, keep), 'int32');
  const kept = (all: Tensor): Tensor => tf.gather(all, rows);
  const [text, past] = [kept(context), latents.map(kept)];
  const [inputs, results] = [transitions.map(({ x }) => kept(x)), transitions.map(({ next }) => kept(next))];
  const student = causalStudent(net, text);
  const states = blockStates(student, { blocks, latents: past }, inputs, level);
  try {
    return await update({ student, states, results, sigma: schedule.sigmas[index + 1]! });
  } finally {
    releaseStates(student, states);
    student.dispose();
    tf.dispose([rows, text, ...past, ...inputs, ...results]);
  }
}

/** Indices of the `keep` highest scores of each group, ties by order. */
function bestRows(scores: readonly number[], samples: number, keep: number): number[] {
  const indices = groupsOf(
    scores.map((score, i) => ({ score, i })),
    samples,
  );
  return indices.flatMap((group) =>
    group
      .sort((a, b) => b.score - a.score || a.i - b.i)
      .slice(0, keep)
      .map(({ i }) => i),
  );
}
