/** Smallest ingredients of every stage: real models of a few thousand weights, and data drawn from a key. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { vae as autoencoder, type VaeConfig, vaeConfig } from '../../src/model/vae/index.ts';
import { type WanConfig, wan, wanCausalForward, wanConfig, wanForward } from '../../src/model/wan/index.ts';
import { type HostFloats, type Key, random, type Weights } from '../../src/nn/index.ts';
import { createReward, frameSelect, type Reward } from '../../src/reward/index.ts';
import { denoisingSteps, wanStudent } from '../../src/sampler/index.ts';
import {
  bestOfN,
  distil,
  type EncodeText,
  ema,
  ode,
  policy,
  type RunOptions,
  reward,
  selfForcing,
  type TrainStep,
  teacher,
  vae,
  vaeDecoder,
} from '../../src/train/index.ts';

export const config: WanConfig = wanConfig({
  ...{ dim: 12, ffn_dim: 12, freq_dim: 8, text_dim: 4, text_len: 2, num_heads: 2, num_layers: 1 },
  ...{ in_dim: 2, out_dim: 2, patch_size: [1, 2, 2], num_frame_per_block: 1 },
});

export const vaeSizes: VaeConfig = vaeConfig({
  ...{ dim: 2, z_dim: 2, dim_mult: [1, 2], num_res_blocks: 1, temperal_downsample: [true] },
});

/** `[F, H, W, C]` of a clip's latents: three blocks of one frame. */
export const latentShape: readonly [number, number, number, number] = [3, 2, 2, 2];

/** Weights of a transformer whose output layer is not zero, so that every weight matters. */
export function wanWeights(seed: string): Weights {
  const key = random.key(seed);
  const { weights } = wan.init(config, key);
  const head = weights.get('head.head.weight');
  const drawn = key.stream('head').normal(head.shape, 0, 0.3);
  tf.tidy(() => head.assign(tf.tensor(drawn.data, drawn.shape)));
  return weights;
}

export const forward = (weights: Weights, input: { x: Tensor; t: Tensor; context: Tensor }): Tensor =>
  wanForward({ weights, config }, input);

/** Rows of numbers for each prompt, zeros for the empty one. */
export const encodeText: EncodeText = (texts) => {
  const { text_len, text_dim } = config;
  const rows = texts.map((text) => {
    const { data } = random.key(text).normal([text_len * text_dim]);
    return text === '' ? data.fill(0) : data;
  });
  return tf.tensor3d(Float32Array.from(rows.flatMap((row) => [...row])), [texts.length, text_len, text_dim]);
};

export function prompts(key: Key, count: number): string[] {
  return Array.from(key.integers(0, 4, count), (digit) => `digit ${digit}`);
}

/** Latents that are the same picture up to a little noise: something to learn. */
export function latents(key: Key, count: number): { latents: HostFloats; prompts: string[] } {
  return { latents: key.normal([count, ...latentShape], 0.7, 0.1), prompts: prompts(key, count) };
}

/** A frame reward that likes red. */
export const redness: Reward = createReward({
  info: { id: 'redness', kind: 'frame', differentiable: true, inputSize: null },
  encode: (texts) => ({ seen: tf.zeros([texts.length]) }),
  compute: (frames): Tensor => tf.mean(tf.sub(tf.slice(frames, [0, 0, 0, 0], [-1, -1, -1, 1]), frames), [1, 2, 3]),
  dispose: () => undefined,
});

/** The same, without gradient. */
export const blindRedness: Reward = createReward({ ...redness, info: { ...redness.info, differentiable: false } });

/** A stage with what it trains. */
export interface Prepared {
  run(options: RunOptions): AsyncGenerator<TrainStep, void, void>;
  trained: Weights[];
  dispose(): void;
}

const learner = { lr: 1e-2, betas: [0, 0.999] as const, clip: 1 };

/** Every stage at its smallest, from the same weights each time. */
export const stages: Readonly<Record<string, () => Prepared>> = {
  vae: () => {
    const { weights } = autoencoder.init(vaeSizes, random.key('vae'));
    const data = (key: Key, count: number): HostFloats => key.uniform([count, 3, 4, 4, 3], -1, 1);
    return prepared([weights], (options) =>
      vae({ ...options, ...learner, vae: { weights, config: vaeSizes }, data, batch: 2, klWeight: 1e-3 }),
    );
  },
  teacher: () => {
    const weights = wanWeights('teacher');
    const average = { weights: ema.init(weights), decay: 0.9 };
    const sampling = { kind: 'logit-normal', shift: 3 } as const;
    const fixed = { ...learner, teacher: { weights, forward }, data: latents, encodeText, average, sampling, batch: 2 };
    return prepared([weights, average.weights], (options) => teacher({ ...options, ...fixed }));
  },
  distil: () => {
    const [generator, critic, real] = [wanWeights('teacher'), wanWeights('teacher'), wanWeights('teacher')];
    const average = { weights: ema.init(generator), decay: 0.9, start: 2 };
    const networks = {
      generator: { weights: generator, forward },
      critic: { weights: critic, forward },
      teacher: { weights: real, forward },
    };
    const fixed = { ...networks, average, generatorLearner: learner, criticLearner: { ...learner, lr: 3e-3 } };
    const schedule = denoisingSteps([1000, 500], { shift: 5 });
    return prepared(
      [generator, critic, average.weights],
      (options) =>
        distil({ ...options, ...fixed, prompts, encodeText, batch: 2, latentShape, schedule, generatorEvery: 2 }),
      [real],
    );
  },
  ode: () => {
    const weights = wanWeights('teacher');
    const data = (key: Key, count: number) => {
      const states = key.normal([count, 3, ...latentShape]);
      return { states, sigmas: [1, 0.5, 0], prompts: prompts(key, count) };
    };
    const student = {
      weights,
      forward: (own: Weights, input: { x: Tensor; t: Tensor; context: Tensor }) =>
        wanCausalForward({ weights: own, config }, input),
    };
    return prepared([weights], (options) =>
      ode({ ...options, ...learner, student, data, encodeText, batch: 2, framesPerBlock: 1 }),
    );
  },
  'self-forcing': () => selfForced(0.5),
  'best-of-n': () => {
    const { fixed, trained, others } = exploring();
    return prepared(trained, (options) => bestOfN({ ...fixed, ...options, keep: 2 }), others);
  },
  policy: () => {
    const { fixed, trained, others } = exploring();
    const anchor = wanWeights('teacher');
    const bind = (context: Tensor) => wanStudent({ weights: anchor, config }, context);
    const settings = { updates: 2, anchor: { student: { weights: anchor, bind }, weight: 0.1 } };
    return prepared(trained, (options) => policy({ ...fixed, ...options, ...settings }), [...others, anchor]);
  },
  reward: () => {
    const weights = wanWeights('teacher');
    const decoderWeights = autoencoder.init(vaeSizes, random.key('vae')).weights;
    const average = { weights: ema.init(weights), decay: 0.99 };
    const student = { weights, bind: (context: Tensor) => wanStudent({ weights, config }, context) };
    const fixed = {
      ...learner,
      student,
      average,
      decoder: vaeDecoder({ weights: decoderWeights, config: vaeSizes }),
      reward: redness,
    };
    const schedule = denoisingSteps([1000, 500], { shift: 5 });
    return prepared(
      [weights, average.weights],
      (options) => reward({ ...options, ...fixed, prompts, encodeText, batch: 2, latentShape, schedule }),
      [decoderWeights],
    );
  },
};

/** What both stages for rewards without gradient take. */
function exploring(): { fixed: Parameters<typeof bestOfN>[0]; trained: Weights[]; others: Weights[] } {
  const weights = wanWeights('teacher');
  const decoderWeights = autoencoder.init(vaeSizes, random.key('vae')).weights;
  const average = { weights: ema.init(weights), decay: 0.99 };
  const fixed = {
    ...{ ...learner, steps: 0, seed: 0, prompts, encodeText, batch: 1, samples: 3, latentShape },
    student: { weights, bind: (context: Tensor) => wanStudent({ weights, config }, context) },
    ...{
      average,
      decoder: vaeDecoder({ weights: decoderWeights, config: vaeSizes }),
      judge: frameSelect(blindRedness, 'random-per-clip'),
    },
    schedule: denoisingSteps([1000, 500, 250], { shift: 5 }),
  };
  return { fixed, trained: [weights, average.weights], others: [decoderWeights] };
}

/** Distribution matching on self-rollouts, together with a reward. */
function selfForced(weight: number): Prepared {
  const [weights, critic, real] = [wanWeights('teacher'), wanWeights('teacher'), wanWeights('teacher')];
  const decoderWeights = autoencoder.init(vaeSizes, random.key('vae')).weights;
  const student = { weights, bind: (context: Tensor) => wanStudent({ weights, config }, context) };
  const networks = { student, critic: { weights: critic, forward }, teacher: { weights: real, forward } };
  const learners = { studentLearner: learner, criticLearner: { ...learner, lr: 3e-3 } };
  const data = { prompts, encodeText, batch: 2, latentShape, schedule: denoisingSteps([1000, 500], { shift: 5 }) };
  const feedback = { decoder: vaeDecoder({ weights: decoderWeights, config: vaeSizes }), reward: redness, weight };
  return prepared(
    [weights, critic],
    (options) => selfForcing({ ...options, ...networks, ...learners, ...data, feedback, generatorEvery: 2 }),
    [real, decoderWeights],
  );
}

function prepared(trained: Weights[], run: Prepared['run'], others: Weights[] = []): Prepared {
  const dispose = (): void => {
    for (const weights of [...trained, ...others]) weights.dispose();
  };
  return { run, trained, dispose };
}

/** Runs a stage to its end and returns its steps. */
export async function collect(steps: AsyncGenerator<TrainStep, void, void>): Promise<TrainStep[]> {
  const all: TrainStep[] = [];
  for await (const step of steps) all.push(step);
  return all;
}

/** Copies of all values, to compare bit for bit. */
export async function valuesOf(all: readonly Weights[]): Promise<Record<string, number[]>> {
  const values: Record<string, number[]> = {};
  for (const [i, weights] of all.entries()) {
    for (const [name, { data }] of await weights.toHost()) values[`${i}/${name}`] = Array.from(data as Float32Array);
  }
  return values;
}

/** An empty folder that is deleted after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'train-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Lines of a log of a run folder. */
export async function logOf(folder: string, name: string = 'metrics'): Promise<Record<string, unknown>[]> {
  const text = await readFile(join(folder, `${name}.jsonl`), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
