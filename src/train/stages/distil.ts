import { type Tensor, tf } from '../../engine/tf.ts';

import { type Key, toTensor, withoutGradient } from '../../nn/index.ts';
import { addNoise, type Schedule, velocityToX0 } from '../../sampler/index.ts';
import { dmdGradient, dmdLoss, dmdTimestep, guidedScore } from '../dmd.ts';
import { flowMatchingLoss, spread } from '../flow-matching.ts';
import type { Objective } from '../gradients.ts';
import { type EncodeText, learnerConfig, type Network, type Source, withTensors } from '../ingredients.ts';
import { type Average, Learner, type LearnerOptions } from '../learner.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../stage.ts';
import { makeUpdate, type Replayable, replayable, type UpdateResult } from '../update.ts';

/** What distillation to a few steps takes. */
export interface DistilOptions extends RunOptions {
  /** The few-step network that is trained; starts from the teacher's weights. */
  generator: Network;
  generatorLearner: LearnerOptions;
  average?: Average;
  /** Fake score: learns the distribution of the generator's clips; starts from the teacher's weights. */
  critic: Network;
  criticLearner: LearnerOptions;
  /** Real score, frozen. */
  teacher: Network;
  prompts: Source<readonly string[]>;
  encodeText: EncodeText;
  /** Clips per step. */
  batch: number;
  /** `[F, H, W, C]` of a clip's latents. */
  latentShape: readonly number[];
  /** The generator's denoising steps, see `denoisingSteps`. */
  schedule: Schedule;
  /** Extra guidance of the real score, `cond + w·(cond - uncond)`: a usual scale of `1 + w`. @defaultValue 3 */
  realGuidance?: number;
  /** The same for the fake score. @defaultValue 0 */
  fakeGuidance?: number;
  /** Prompt that stands for none. @defaultValue '' */
  unconditionalPrompt?: string;
  /** Shift of the noise levels at which the scores are compared. @defaultValue 5 */
  shift?: number;
  /** Critic updates per generator update. @defaultValue 5 */
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

function prepare(options: DistilOptions): Stage {
  const { average = null, generatorEvery = 5 } = options;
  const generator = new Learner('generator', options.generator.weights, options.generatorLearner, average);
  const critic = new Learner('critic', options.critic.weights, options.criticLearner);
  const simulator = makeSimulator(options);
  const updates = {
    generator: makeUpdate(generator, generatorObjective(options)),
    critic: makeUpdate(critic, criticObjective(options)),
  };
  const step: Stage['step'] = async (index, key) => {
    const results: UpdateResult[] = [];
    if ((index - 1) % generatorEvery === 0) {
      const entry = await drawEntry(options, simulator, key.stream('generator'));
      const { loss, gradNorm, clipped, values } = await withTensors(entry, (t) => updates.generator(t));
      const named = { ...values, generatorLoss: loss, generatorGradNorm: gradNorm };
      results.push({ loss, gradNorm, clipped, values: named });
    }
    const entry = await drawEntry(options, simulator, key.stream('critic'));
    return [await withTensors(entry, (t) => updates.critic(t)), ...results];
  };
  const dispose = (): void => {
    for (const made of [simulator, updates.generator, updates.critic]) made.dispose();
  };
  return { name: 'distil', config: configOf(options), learners: [generator, critic], step, dispose };
}

function configOf(options: DistilOptions): Stage['config'] {
  const { batch, latentShape, schedule, realGuidance = 3, fakeGuidance = 0, shift = 5, generatorEvery = 5 } = options;
  const generator = learnerConfig(options.generatorLearner, options.average);
  const critic = learnerConfig(options.criticLearner);
  const sigmas = [...schedule.sigmas];
  return { generator, critic, batch, latentShape, sigmas, realGuidance, fakeGuidance, shift, generatorEvery };
}

/** A batch for either update; all tensors, so that the recorded step serves every exit step. */
interface Entry {
  /** The generator's sample `[B, F, H, W, C]` on entering its exit step, with that step's noise level `[B]`. */
  x: Tensor;
  sigma: Tensor;
  /** Text states `[B, L, D]` with and without the prompt. */
  context: Tensor;
  unconditional: Tensor;
  /** Noise `[B, F, H, W, C]` and level `[B]` at which the scores see the clip. */
  noise: Tensor;
  level: Tensor;
}

/** Clean estimate of a network at noise levels `sigma` `[B]`. */
function cleanEstimate(network: Network, x: Tensor, sigma: Tensor, context: Tensor): Tensor {
  const velocity = network.forward(network.weights, { x, t: tf.mul(sigma, 1000), context });
  return velocityToX0(x, velocity, spread(sigma, x));
}

function generatorObjective(options: DistilOptions): (entry: Entry) => Objective {
  return ({ x, sigma, context, unconditional, noise, level }) => {
    const x0 = cleanEstimate(options.generator, x, sigma, context);
    const gradient = withoutGradient(() => {
      const noised = addNoise(x0, noise, spread(level, x0));
      const score = (network: Network, scale: number): Tensor => {
        const conditional = cleanEstimate(network, noised, level, context);
        if (scale === 0) return conditional;
        return guidedScore(conditional, cleanEstimate(network, noised, level, unconditional), scale);
      };
      const fake = score(options.critic, options.fakeGuidance ?? 0);
      return dmdGradient(x0, fake, score(options.teacher, options.realGuidance ?? 3)).gradient;
    });
    return { loss: dmdLoss(x0, gradient), values: { dmdGradient: tf.mean(tf.abs(gradient)) } };
  };
}

function criticObjective(options: DistilOptions): (entry: Entry) => Objective {
  return ({ x, sigma, context, noise, level }) => {
    const x0 = withoutGradient(() => cleanEstimate(options.generator, x, sigma, context));
    const noised = addNoise(x0, noise, spread(level, x0));
    const { weights, forward } = options.critic;
    const velocity = forward(weights, { x: noised, t: tf.mul(level, 1000), context });
    return { loss: flowMatchingLoss(velocity, x0, noise) };
  };
}

/** One few-step move: the clean estimate of `x` at `sigma`, noised again to `next`. */
type Simulator = Replayable<[x: Tensor, sigma: Tensor, context: Tensor, noise: Tensor, next: Tensor], Tensor>;

function makeSimulator({ generator }: DistilOptions): Simulator {
  return replayable((x, sigma, context, noise, next) =>
    tf.tidy(() => addNoise(cleanEstimate(generator, x, sigma, context), noise, spread(next, x))),
  );
}

/** Draw prompts, an exit step and the scores' noise, and bring the generator's sample to that step. */
async function drawEntry(options: DistilOptions, simulator: Simulator, key: Key): Promise<Entry> {
  const { batch, schedule, latentShape, shift = 5 } = options;
  const prompts = await options.prompts(key.stream('prompts'), batch);
  const context = options.encodeText(prompts);
  const exit = key.stream('exit').integer(0, schedule.timesteps.length);
  const shape = [batch, ...latentShape];
  const raw = key.stream('level').integers(0, 1000, batch);
  return {
    x: simulate(schedule, simulator, { exit, context, shape, key: key.stream('rollout') }),
    sigma: tf.fill([batch], schedule.sigmas[exit] as number),
    context,
    unconditional: options.encodeText(prompts.map(() => options.unconditionalPrompt ?? '')),
    noise: toTensor(key.stream('noise').normal(shape)),
    level: tf.tensor1d(Array.from(raw, (u) => dmdTimestep(u, { shift }) / 1000)),
  };
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
