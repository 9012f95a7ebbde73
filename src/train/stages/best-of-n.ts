import { type Tensor, tf } from '../../engine/tf.ts';
import { learnerConfig } from '../ingredients.ts';
import { stepLogDensity } from '../losses/policy.ts';
import type { Objective } from '../optimiser/gradients.ts';
import { type Average, Learner, type LearnerOptions } from '../optimiser/learner.ts';
import { makeUpdate, type UpdateResult } from '../optimiser/update.ts';
import { type BlockState, blockStates, estimateAt, releaseStates } from '../rollout/block-states.ts';
import {
  type ExplorationOptions,
  type Explored,
  explorationConfig,
  groupsOf,
  scoreValues,
  withExploration,
} from '../rollout/exploration.ts';
import type { BoundStudent } from '../rollout/supervised-rollout.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../run/stage.ts';

/** What training on the best of n clips takes. */
export interface BestOfNOptions<Cache> extends RunOptions, LearnerOptions, ExplorationOptions<Cache> {
  /** Weights that follow the student as a moving average, made by `ema.init`. */
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
 * Reports `reward`, `rewardStd`, `rewardBest` (over all clips, within prompts, of the best of each) and `step`. Changes
 * the student's weights in place. Source: after Dong et al. 2023, arXiv 2304.06767 (RAFT, reward ranked finetuning).
 *
 * @throws RangeError when the student takes a single step, which draws nothing.
 * @example for await (const step of bestOfN({ ...run, student, judge: visionReward(server) })) {}
 */
export function bestOfN<Cache>(options: BestOfNOptions<Cache>): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

/** What one update makes likelier: the states before a step and what they became, a pair for each block. */
interface Lesson<Cache> {
  student: BoundStudent<Cache>;
  states: readonly BlockState<Cache>[];
  results: readonly Tensor[];
  /** Noise level after the step. */
  sigma: number;
}

function prepare<Cache>(options: BestOfNOptions<Cache>): Stage {
  const { average = null, samples = 4, keep = 1, schedule } = options;
  const explored = explorationConfig(options);
  if (!Number.isInteger(keep) || keep < 1 || keep >= samples) {
    throw new RangeError(`keep: wanted an integer in 1..${samples - 1}, received ${keep}`);
  }
  const learner = new Learner('student', options.student.weights, options, average);
  const update = makeUpdate(learner, likelihood<Cache>, { compiled: false });
  const step: Stage['step'] = async (_, key) => {
    const index = key.stream('step').integer(0, schedule.timesteps.length - 1);
    const work = async (clips: Explored<Cache>): Promise<UpdateResult> => {
      const result = await onBest(options, clips, index, update);
      return { ...result, values: { ...result.values, ...scoreValues(clips.scores, samples), step: index } };
    };
    return [await withExploration(options, key, index, work)];
  };
  const config = { ...learnerConfig(options, average), ...explored, keep };
  return { name: 'best-of-n', config, learners: [learner], step, dispose: update.dispose };
}

function likelihood<Cache>({ student, states, results, sigma }: Lesson<Cache>): Objective {
  const densities = states.map((state, i) => tf.mean(stepLogDensity(results[i]!, estimateAt(student, state), sigma)));
  return { loss: tf.div(tf.addN(densities), -densities.length) };
}

/** Picks the best clips and runs the update on the steps that they took. */
async function onBest<Cache>(
  options: BestOfNOptions<Cache>,
  { scores, latents, transitions, context, blocks }: Explored<Cache>,
  index: number,
  update: (lesson: Lesson<Cache>) => Promise<UpdateResult>,
): Promise<UpdateResult> {
  const { samples = 4, keep = 1, schedule } = options;
  const level = { t: schedule.timesteps[index]!, sigma: schedule.sigmas[index]! };
  const rows = tf.tensor1d(bestRows(scores, samples, keep), 'int32');
  const kept = (all: Tensor): Tensor => tf.gather(all, rows);
  const [text, past] = [kept(context), latents.map(kept)];
  const [inputs, results] = [transitions.map(({ x }) => kept(x)), transitions.map(({ next }) => kept(next))];
  const student = options.student.bind(text);
  const states = blockStates(student, blocks, past, inputs, level);
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
