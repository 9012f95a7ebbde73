/** Whole steps of the product for `bench engine`: its own stages, rollout and decoder on made-up data. */
import { compile, current, flush } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { vae as autoencoder, decode, type WanConfig, wan } from '../../src/model/internal.ts';
import { type HostFloats, type Net, random, type Weights } from '../../src/nn/index.ts';
import { createReward } from '../../src/reward/index.ts';
import { causalStudent, denoisingSteps, rolloutLatents, seededNoise } from '../../src/sampler/index.ts';
import * as train from '../../src/train/index.ts';
import type { Step } from './cases.ts';
import type { Running } from './operations.ts';

type Start = (given: Step) => Running;

const learner = { lr: 1e-4, clip: 10 };
const forever = { steps: Number.MAX_SAFE_INTEGER, seed: 1 };

/** A stage as a case: one of its steps each time. */
function stageSteps(
  stage: AsyncGenerator<train.TrainStep, void>,
  weights: readonly Weights[],
  parameters: number,
): Running {
  const step = async (): Promise<void> => {
    const { done } = await stage.next();
    if (done) throw new Error('the stage ended');
  };
  return {
    step,
    parameters,
    dispose: () => {
      for (const each of weights) each.dispose();
    },
  };
}

function countOf(weights: Weights): number {
  return weights.entries().reduce((sum, [, { size }]) => sum + size, 0);
}

/** The weights that decoding uses. */
function countOfDecoder(vae: Weights): number {
  const used = vae.entries().filter(([name]) => /^(decoder|conv2)\./.test(name));
  return used.reduce((sum, [, { size }]) => sum + size, 0);
}

/** What the stages read: the same noise as data each time, prompts that all mean the same text. */
function ingredients({ batch, latents, config }: Step) {
  const shape = [batch, ...latents];
  const textShape = [batch, config.text_len, config.text_dim];
  const states = random.key(2).normal(textShape).data;
  return {
    batch,
    latentShape: latents,
    prompts: (): string[] => Array<string>(batch).fill('a prompt'),
    text: { encode: (): Tensor => tf.tensor(states, textShape) },
    latents: random.key(3).normal(shape),
    schedule: denoisingSteps([1000, 750, 500, 250], { shift: 3 }),
  };
}

function network({ config }: Step, seed: number): Net<WanConfig> {
  return wan.init(config, random.key(seed));
}

const teacher: Start = (given) => {
  const { latents, prompts, ...rest } = ingredients(given);
  const net = network(given, 1);
  const data = (): train.LatentBatch => ({ latents, prompts: prompts() });
  const stage = train.teacher({ ...rest, ...forever, ...learner, clip: 1, teacher: net, data, textDropout: 0 });
  return stageSteps(stage, [net.weights], countOf(net.weights));
};

/** A generator of one step, so that each step costs the same: generator update, then critic update. */
const dmd: Start = (given) => {
  const [generator, critic, real] = [network(given, 1), network(given, 2), network(given, 3)];
  const stage = train.distil({
    ...ingredients(given),
    ...forever,
    ...{ generator, critic, teacher: real, generatorLearner: learner, criticLearner: learner },
    schedule: denoisingSteps([1000], { shift: 3 }),
    generatorEvery: 1,
  });
  return stageSteps(stage, [generator.weights, critic.weights, real.weights], countOf(real.weights));
};

const phase1: Start = (given) => {
  const { prompts, schedule, ...rest } = ingredients(given);
  const student = network(given, 1);
  const states: HostFloats = random.key(4).normal([given.batch, 5, ...given.latents]);
  const data = (): train.TrajectoryBatch => ({
    states,
    sigmas: [...schedule.sigmas.slice(0, 4), 0],
    prompts: prompts(),
  });
  const stage = train.ode({ ...rest, ...forever, ...learner, student, data });
  return stageSteps(stage, [student.weights], countOf(student.weights));
};

/** The reward is the brightness of the last frame: what a reward network itself costs is not part of this. */
const phase2: Start = (given) => {
  const student = network(given, 1);
  const decoder = autoencoder.init(given.vae, random.key(2));
  const reward = createReward({
    info: { id: 'brightness', kind: 'frame', differentiable: true, inputSize: null },
    encode: () => ({}),
    compute: (frames) => tf.mean(frames, [1, 2, 3]),
    dispose: () => undefined,
  });
  const stage = train.reward({
    ...ingredients(given),
    ...forever,
    ...learner,
    student,
    decoder,
    reward,
    exitSteps: 'last',
  });
  const parameters = countOf(student.weights) + countOfDecoder(decoder.weights);
  return stageSteps(stage, [student.weights, decoder.weights], parameters);
};

const rollout: Start = (given) => {
  const { batch, latents } = given;
  const { text, schedule } = ingredients(given);
  const net = network(given, 1);
  let round = 0;
  const step = async (): Promise<void> => {
    const key = random.key(round++);
    const context = text.encode();
    const student = causalStudent(net, context);
    const noise = tf.tensor(key.normal([batch, ...latents]).data, [batch, ...latents]);
    const made = await rolloutLatents(student, noise, { schedule, renoise: seededNoise(key) });
    await made.data();
    student.dispose();
    tf.dispose([context, noise, made]);
  };
  return { step, parameters: countOf(net.weights), dispose: () => net.dispose() };
};

const decoding: Start = (given) => {
  const shape = [given.batch, ...given.latents];
  const { weights } = autoencoder.init(given.vae, random.key(1));
  const latents = tf.tensor(random.key(2).normal(shape).data, shape);
  const compute = (x: Tensor): Tensor => decode({ weights, config: given.vae }, x);
  const run = current() === null ? Object.assign(compute, { dispose: () => undefined }) : compile(compute);
  const step = async (): Promise<void> => {
    const video = run(latents);
    flush();
    video.dispose();
  };
  const dispose = (): void => {
    run.dispose();
    weights.dispose();
    latents.dispose();
  };
  return { step, parameters: countOfDecoder(weights), dispose };
};

const starts: Readonly<Record<Step['kind'], Start>> = { teacher, dmd, phase1, phase2, rollout, decode: decoding };

/** A whole step, ready to run. */
export function startStep(given: Step): Running {
  return starts[given.kind](given);
}
