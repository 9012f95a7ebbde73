import { type Tensor, tf } from '../../engine/tf.ts';
import { type BlockState, blockStates, estimateAt, releaseStates } from '../block-states.ts';
import {
  type ExplorationOptions,
  type Explored,
  explorationConfig,
  groupsOf,
  scoreValues,
  withExploration,
} from '../exploration.ts';
import type { Objective } from '../gradients.ts';
import { learnerConfig } from '../ingredients.ts';
import { type Average, Learner, type LearnerOptions } from '../learner.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../stage.ts';
import type { BoundStudent } from '../supervised-rollout.ts';
import { makeUpdate, type UpdateResult } from '../update.ts';

/** What training on the best of n clips takes. */
export interface BestOfNOptions<Cache> extends RunOptions, LearnerOptions, ExplorationOptions<Cache> {
  /** Weights that follow the student as a moving average, made by `ema.init`. */
  average?: Average;
  /** Clips kept of each prompt. @defaultValue 1 */
  keep?: number;
}

/**
 * Training without the reward's gradient, by rejection: of each prompt `samples` clips are generated from one noise, and
 * at one denoising step, from the very states that the best `keep` passed, the student learns to see their ends at
 * once, `L = mean |x̂0(x_j) - x0|²` over all blocks. The last step has nothing to learn, since its estimate is the end.
 * It can only make surer what the student already does sometimes, and it narrows the variety: watch the deviation
 * within prompts. (To noise the kept clips afresh, as diffusion models are fine-tuned, blurs a few-step student: from
 * pure noise it must give a clip, not the mean of clips.) Reports `reward`, `rewardStd`, `rewardBest` (over all clips,
 * within prompts, of the best of each) and `step`. Changes the student's weights in place.
 * Source: after Dong et al. 2023, arXiv 2304.06767 (RAFT, reward ranked finetuning).
 *
 * @throws RangeError when the student takes a single step.
 * @example for await (const step of bestOfN({ ...run, student, scorer: externalScorer(visionReward(server), 16) })) {}
 */
export function bestOfN<Cache>(options: BestOfNOptions<Cache>): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

/** What one update restores: a state and its clean latents for each block. */
interface Lesson<Cache> {
  student: BoundStudent<Cache>;
  states: readonly BlockState<Cache>[];
  targets: readonly Tensor[];
}

function prepare<Cache>(options: BestOfNOptions<Cache>): Stage {
  const { average = null, samples = 4, keep = 1, schedule } = options;
  const explored = explorationConfig(options);
  if (!Number.isInteger(keep) || keep < 1 || keep >= samples) {
    throw new RangeError(`keep: wanted an integer in 1..${samples - 1}, received ${keep}`);
  }
  const learner = new Learner('student', options.student.weights, options, average);
  const update = makeUpdate(learner, restoration<Cache>, { compiled: false });
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

function restoration<Cache>({ student, states, targets }: Lesson<Cache>): Objective {
  const errors = states.map((state, i) => tf.mean(tf.square(tf.sub(estimateAt(student, state), targets[i]!))));
  return { loss: tf.div(tf.addN(errors), errors.length) };
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
  const [text, targets, inputs] = [kept(context), latents.map(kept), transitions.map(({ x }) => kept(x))];
  const student = options.student.bind(text);
  const states = blockStates(student, blocks, targets, inputs, level);
  try {
    return await update({ student, states, targets });
  } finally {
    releaseStates(student, states);
    student.dispose();
    tf.dispose([rows, text, ...targets, ...inputs]);
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
