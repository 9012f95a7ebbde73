import { type Tensor, tf } from '../../engine/tf.ts';
import type { WanConfig } from '../../model/internal.ts';
import { type Key, type Net, toTensor } from '../../nn/index.ts';
import { withoutGradient } from '../../nn/internal.ts';
import { addNoise, type Schedule } from '../../sampler/index.ts';
import {
  checkBatch,
  checkEncoder,
  checkLatentShape,
  checkNet,
  checkSource,
  checkSteps,
  type Source,
  type TextEncoder,
  withTensors,
} from '../ingredients.ts';
import { dmdLoss, spread } from '../losses.ts';
import { Learner } from '../optimiser/learner.ts';
import { type Average, type LearnerOptions, settleAverage, settleLearner } from '../optimiser/learner-options.ts';
import { makeUpdate, type Replayable, replayable } from '../optimiser/update.ts';
import { type RunOptions, runStage, type Stage } from '../run/stage.ts';
import {
  alternating,
  cleanEstimate,
  criticLoss,
  drawView,
  type MatchingStep,
  matchingDirection,
  type ScoreOptions,
  type ScoreView,
  settleScores,
} from './distribution-matching.ts';

export interface DistilOptions extends RunOptions, ScoreOptions {
  /** The few-step network that is trained; starts as a copy of the teacher. */
  generator: Net<WanConfig>;
  generatorLearner: LearnerOptions;
  criticLearner: LearnerOptions;
  average?: Average;
  prompts: Source<readonly string[]>;
  text: TextEncoder;
  /** Clips per step. */
  batch: number;
  /** `[F, H, W, C]` of a clip's latents. */
  latentShape: readonly number[];
  /** The generator's denoising steps, see `denoisingSteps`. */
  schedule: Schedule;
}

/**
 * Distribution matching distillation of a teacher to a few steps. Every step updates the critic by flow matching on
 * the generator's clips; every `generatorEvery`-th step first updates the generator along `fake - real`. The generator
 * is simulated from noise up to an exit step drawn at random; only that step carries gradient.
 * Changes the weights of generator and critic in place. Source: Yin et al., DMD2; Self-Forcing `model/dmd.py`.
 *
 * @example for await (const { generatorLoss } of train.distil({ generator, critic, teacher, prompts, text, ... })) {}
 */
export function distil(options: DistilOptions): AsyncGenerator<MatchingStep, void, void> {
  return runStage(() => prepare(settle(options)), options);
}

function settle(options: DistilOptions) {
  const scores = settleScores(options);
  const generator = checkNet('generator', options.generator);
  return {
    ...scores,
    generator,
    generatorLearner: settleLearner(generator, options.generatorLearner, 'generatorLearner.'),
    criticLearner: settleLearner(scores.critic, options.criticLearner, 'criticLearner.'),
    average: settleAverage(options.average, generator),
    prompts: checkSource('prompts', options.prompts),
    text: checkEncoder(options.text),
    batch: checkBatch(options.batch),
    latentShape: checkLatentShape('latentShape', options.latentShape),
    schedule: checkSteps('schedule', options.schedule),
  };
}

type Settings = ReturnType<typeof settle>;

/** A batch for either update; all tensors, so that the recorded step serves every exit step. */
interface Entry extends ScoreView {
  /** The generator's sample `[B, F, H, W, C]` on entering its exit step, and that step's noise level `[B]`. */
  x: Tensor;
  sigma: Tensor;
}

function prepare(settings: Settings): Stage<MatchingStep> {
  const { generator, critic } = settings;
  const learners = [
    new Learner('generator', generator, { ...settings.generatorLearner, average: settings.average }),
    new Learner('critic', critic, settings.criticLearner),
  ] as const;
  const simulator = makeSimulator(generator);
  const updateGenerator = makeUpdate(learners[0], (entry: Entry) => {
    const x0 = cleanEstimate(generator, entry.x, entry.sigma, entry.context);
    const direction = matchingDirection(settings, x0, entry);
    return { loss: dmdLoss(x0, direction), values: { dmdGradient: tf.mean(tf.abs(direction)) } };
  });
  const updateCritic = makeUpdate(learners[1], (entry: Entry) => {
    const x0 = withoutGradient(() => cleanEstimate(generator, entry.x, entry.sigma, entry.context));
    return { loss: criticLoss(critic, x0, entry) };
  });
  const drawn = (key: Key): Promise<Entry> => drawEntry(settings, simulator, key);
  return alternating('distil', settings, {
    learners,
    generator: async (key) => withTensors(await drawn(key.stream('generator')), (t: Entry) => updateGenerator(t)),
    critic: async (key) => withTensors(await drawn(key.stream('critic')), (t: Entry) => updateCritic(t)),
    owned: [simulator, updateGenerator, updateCritic],
  });
}

/** One few-step move: the clean estimate of `x` at `sigma`, noised again to `next`. */
type Simulator = Replayable<[x: Tensor, sigma: Tensor, context: Tensor, noise: Tensor, next: Tensor], Tensor>;

function makeSimulator(generator: Net<WanConfig>): Simulator {
  return replayable((x, sigma, context, noise, next) =>
    tf.tidy(() => addNoise(cleanEstimate(generator, x, sigma, context), noise, spread(next, x))),
  );
}

/** Draw prompts, an exit step and the scores' noise, and bring the generator's sample to that step. */
async function drawEntry(settings: Settings, simulator: Simulator, key: Key): Promise<Entry> {
  const { batch, schedule, latentShape } = settings;
  const prompts = await settings.prompts(key.stream('prompts'), batch);
  const shape = [batch, ...latentShape];
  const view = await drawView(settings, { key: key.stream('view'), prompts, shape });
  const exit = key.stream('exit').integer(0, schedule.timesteps.length);
  const x = simulate(schedule, simulator, { exit, context: view.context, shape, key: key.stream('rollout') });
  return { ...view, x, sigma: tf.fill([batch], schedule.sigmas[exit] as number) };
}

/** The sample that enters the exit step: noise, then a move for each earlier step. */
function simulate(
  { sigmas }: Schedule,
  { run }: Simulator,
  { exit, context, shape, key }: { exit: number; context: Tensor; shape: number[]; key: Key },
): Tensor {
  const level = (step: number): Tensor => tf.fill([shape[0] as number], sigmas[step] as number);
  let x = toTensor(key.stream('start').normal(shape));
  for (let step = 0; step < exit; step++) {
    const [noise, sigma, next] = [toTensor(key.stream(step).normal(shape)), level(step), level(step + 1)];
    const moved = run(x, sigma, context, noise, next);
    tf.dispose([x, noise, sigma, next]);
    x = moved;
  }
  return x;
}
