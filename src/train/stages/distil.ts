import { type Tensor, tf } from '../../engine/tf.ts';
import { type Key, toTensor, withoutGradient } from '../../nn/index.ts';
import { addNoise, type Schedule } from '../../sampler/index.ts';
import { type EncodeText, learnerConfig, type Network, type Source, withTensors } from '../ingredients.ts';
import { dmdLoss } from '../losses/dmd.ts';
import { spread } from '../losses/flow-matching.ts';
import { type Average, Learner, type LearnerOptions } from '../optimiser/learner.ts';
import { asGenerator, makeUpdate, type Replayable, replayable, type UpdateResult } from '../optimiser/update.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../run/stage.ts';
import {
  cleanEstimate,
  criticLoss,
  drawView,
  matchingDirection,
  type ScoreOptions,
  type ScoreView,
  scoreConfig,
} from './distribution-matching.ts';

/** What distillation to a few steps takes. */
export interface DistilOptions extends RunOptions, ScoreOptions {
  /** The few-step network that is trained; starts from the teacher's weights. */
  generator: Network;
  generatorLearner: LearnerOptions;
  criticLearner: LearnerOptions;
  /** Weights that follow the generator as a moving average, made by `ema.init`. */
  average?: Average;
  prompts: Source<readonly string[]>;
  encodeText: EncodeText;
  /** Clips per step. */
  batch: number;
  /** `[F, H, W, C]` of a clip's latents. */
  latentShape: readonly number[];
  /** The generator's denoising steps, see `denoisingSteps`. */
  schedule: Schedule;
  /** Steps (critic updates) per generator update. @defaultValue 5 */
  generatorEvery?: number;
}

/**
 * Distribution matching distillation of a teacher to a few steps. Every step updates the critic by flow matching on
 * the generator's clips; every `generatorEvery`-th step first updates the generator along `fake - real`. The generator
 * is simulated from noise up to an exit step drawn at random; only that step carries gradient. Reports the critic's
 * loss and norm, and `generatorLoss`, `generatorGradNorm`, `dmdGradient` where there was a generator update.
 * Changes the weights of generator and critic in place. Source: Yin et al., DMD2; Self-Forcing `model/dmd.py`.
 */
export function distil(options: DistilOptions): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

/** A batch for either update; all tensors, so that the recorded step serves every exit step. */
interface Entry extends ScoreView {
  /** The generator's sample `[B, F, H, W, C]` on entering its exit step, and that step's noise level `[B]`. */
  x: Tensor;
  sigma: Tensor;
}

function prepare(options: DistilOptions): Stage {
  const { average = null, generatorEvery = 5 } = options;
  const generator = new Learner('generator', options.generator.weights, options.generatorLearner, average);
  const critic = new Learner('critic', options.critic.weights, options.criticLearner);
  const simulator = makeSimulator(options.generator);
  const updateGenerator = makeUpdate(generator, (entry: Entry) => {
    const x0 = cleanEstimate(options.generator, entry.x, entry.sigma, entry.context);
    const direction = matchingDirection(options, x0, entry);
    return { loss: dmdLoss(x0, direction), values: { dmdGradient: tf.mean(tf.abs(direction)) } };
  });
  const updateCritic = makeUpdate(critic, (entry: Entry) => {
    const x0 = withoutGradient(() => cleanEstimate(options.generator, entry.x, entry.sigma, entry.context));
    return { loss: criticLoss(options.critic, x0, entry) };
  });
  const step: Stage['step'] = async (index, key) => {
    const generated: UpdateResult[] = [];
    if ((index - 1) % generatorEvery === 0) {
      const entry = await drawEntry(options, simulator, key.stream('generator'));
      generated.push(asGenerator(await withTensors(entry, (t) => updateGenerator(t))));
    }
    const entry = await drawEntry(options, simulator, key.stream('critic'));
    return [await withTensors(entry, (t) => updateCritic(t)), ...generated];
  };
  const dispose = (): void => {
    for (const made of [simulator, updateGenerator, updateCritic]) made.dispose();
  };
  return { name: 'distil', config: configOf(options), learners: [generator, critic], step, dispose };
}

function configOf(options: DistilOptions): Stage['config'] {
  const { batch, latentShape, schedule, generatorEvery = 5 } = options;
  const generator = learnerConfig(options.generatorLearner, options.average);
  const critic = learnerConfig(options.criticLearner);
  return {
    generator,
    critic,
    ...scoreConfig(options),
    batch,
    latentShape,
    sigmas: [...schedule.sigmas],
    generatorEvery,
  };
}

/** One few-step move: the clean estimate of `x` at `sigma`, noised again to `next`. */
type Simulator = Replayable<[x: Tensor, sigma: Tensor, context: Tensor, noise: Tensor, next: Tensor], Tensor>;

function makeSimulator(generator: Network): Simulator {
  return replayable((x, sigma, context, noise, next) =>
    tf.tidy(() => addNoise(cleanEstimate(generator, x, sigma, context), noise, spread(next, x))),
  );
}

/** Draw prompts, an exit step and the scores' noise, and bring the generator's sample to that step. */
async function drawEntry(options: DistilOptions, simulator: Simulator, key: Key): Promise<Entry> {
  const { batch, schedule, latentShape } = options;
  const prompts = await options.prompts(key.stream('prompts'), batch);
  const shape = [batch, ...latentShape];
  const view = drawView(options, { key: key.stream('view'), prompts, shape });
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
