/** Smallest ingredients of every stage: real models of a few thousand weights, and data drawn from a key. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { vae as autoencoder, type VaeConfig, vaeConfig, type WanConfig, wan } from '../../src/model/internal.ts';
import { wanConfig } from '../../src/model/wan/config.ts';
import { type HostFloats, type Key, Net, random, type Weights } from '../../src/nn/index.ts';
import { createReward, frameSelect, type Reward } from '../../src/reward/index.ts';
import { denoisingSteps, type Schedule } from '../../src/sampler/index.ts';
import {
  type BestOfNOptions,
  bestOfN,
  type DistilOptions,
  distil,
  type OdeOptions,
  ode,
  type PolicyOptions,
  policy,
  type RewardTrainOptions,
  type RunOptions,
  reward,
  type SelfForcingOptions,
  selfForcing,
  type TeacherOptions,
  type TextEncoder,
  type TrainStep,
  teacher,
  type VaeTrainOptions,
  vae,
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

/** A transformer whose output layer is not zero, so that every weight matters. */
export function wanNet(seed: string = 'teacher'): Net<WanConfig> {
  const key = random.key(seed);
  const net = wan.init(config, key);
  const head = net.weights.variable('head.head.weight');
  const drawn = key.stream('head').normal(head.shape, 0, 0.3);
  tf.tidy(() => head.assign(tf.tensor(drawn.data, drawn.shape)));
  return net;
}

export function vaeNet(seed: string = 'vae'): Net<VaeConfig> {
  return autoencoder.init(vaeSizes, random.key(seed));
}

/** Rows of numbers for each prompt, zeros for the empty one. */
export const text: TextEncoder = {
  encode: (texts) => {
    const { text_len, text_dim } = config;
    const rows = texts.map((prompt) => {
      const { data } = random.key(prompt).normal([text_len * text_dim]);
      return prompt === '' ? data.fill(0) : data;
    });
    return tf.tensor3d(Float32Array.from(rows.flatMap((row) => [...row])), [texts.length, text_len, text_dim]);
  },
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

export const schedule: Schedule = denoisingSteps([1000, 500], { shift: 5 });

const learner = { lr: 1e-2, betas: [0, 0.999] as const, clip: 1 };

/** What a stage is given, apart from its run. */
export type Given<Options> = Omit<Options, keyof RunOptions>;

/** Options of every stage at its smallest, from the same weights each time. */
export const given = {
  vae: (): Given<VaeTrainOptions> => {
    const data = (key: Key, count: number): HostFloats => key.uniform([count, 3, 4, 4, 3], -1, 1);
    return { ...learner, vae: vaeNet(), data, batch: 2, klWeight: 1e-3 };
  },
  teacher: (): Given<TeacherOptions> => {
    const net = wanNet();
    const average = averageOf(net, 0.9);
    const sampling = { kind: 'logit-normal', shift: 3 } as const;
    return { ...learner, teacher: net, data: latents, text, average, sampling, batch: 2 };
  },
  distil: (): Given<DistilOptions> => {
    const [generator, critic, real] = [wanNet(), wanNet(), wanNet()];
    const average = { ...averageOf(generator, 0.9), start: 2 };
    const learners = { generatorLearner: learner, criticLearner: { ...learner, lr: 3e-3 } };
    const nets = { generator, critic, teacher: real, average, ...learners };
    return { ...nets, prompts, text, batch: 2, latentShape, schedule, generatorEvery: 2 };
  },
  ode: (): Given<OdeOptions> => {
    const data = (key: Key, count: number) => {
      const states = key.normal([count, 3, ...latentShape]);
      return { states, sigmas: [1, 0.5, 0], prompts: prompts(key, count) };
    };
    return { ...learner, student: wanNet(), data, text, batch: 2 };
  },
  'self-forcing': (): Given<SelfForcingOptions> => {
    const nets = { student: wanNet(), critic: wanNet(), teacher: wanNet() };
    const learners = { studentLearner: learner, criticLearner: { ...learner, lr: 3e-3 } };
    const feedback = { decoder: vaeNet(), reward: redness, weight: 0.5 };
    return { ...nets, ...learners, prompts, text, batch: 2, latentShape, schedule, feedback, generatorEvery: 2 };
  },
  'best-of-n': (): Given<BestOfNOptions> => ({ ...exploring(), keep: 2 }),
  policy: (): Given<PolicyOptions> => ({
    ...exploring(),
    updates: 2,
    referenceModel: { net: wanNet(), weight: 0.1 },
  }),
  reward: (): Given<RewardTrainOptions> => {
    const student = wanNet();
    const judged = { decoder: vaeNet(), reward: redness };
    const average = averageOf(student, 0.99);
    return { ...learner, student, average, ...judged, prompts, text, batch: 2, latentShape, schedule };
  },
};

function averageOf(net: Net<WanConfig>, decay: number): { net: Net<WanConfig>; decay: number } {
  return { net: net.clone({ trainable: false }), decay };
}

/** What both stages for rewards without gradient take. */
function exploring(): Given<BestOfNOptions> {
  const student = wanNet();
  return {
    ...{ ...learner, prompts, text, batch: 1, samples: 3, latentShape },
    ...{
      student,
      average: averageOf(student, 0.99),
      decoder: vaeNet(),
      judge: frameSelect(blindRedness, 'random-per-clip'),
    },
    schedule: denoisingSteps([1000, 500, 250], { shift: 5 }),
  };
}

/** A stage with what it trains. */
export interface Prepared {
  run(options: RunOptions): AsyncGenerator<TrainStep, void, void>;
  trained: Weights[];
  dispose(): void;
}

/** Names of the trained nets among the options of a stage. */
const trainedBy = { vae: ['vae'], teacher: ['teacher'], distil: ['generator', 'critic'], ode: ['student'] };

function prepare<Options extends RunOptions>(
  name: string,
  stage: (options: Options) => AsyncGenerator<TrainStep, void, void>,
  options: Given<Options>,
): Prepared {
  const nets = netsOf(options);
  const names = (trainedBy as Record<string, string[]>)[name] ?? [
    'student',
    ...('critic' in options ? ['critic'] : []),
  ];
  const trained = [...names, 'average.net'].flatMap((path) => nets.get(path)?.weights ?? []);
  return {
    run: (run) => stage({ ...options, ...run } as unknown as Options),
    trained,
    dispose: () => {
      for (const net of nets.values()) net.dispose();
    },
  };
}

/** The nets among options, by path. */
export function netsOf(value: object, path: string = ''): Map<string, Net<unknown>> {
  const inner = Object.entries(value).flatMap(([key, item]): [string, Net<unknown>][] => {
    const at = path ? `${path}.${key}` : key;
    if (item instanceof Net) return [[at, item]];
    return typeof item === 'object' && item !== null && !Array.isArray(item) ? [...netsOf(item, at)] : [];
  });
  return new Map(inner);
}

/** Every stage at its smallest, from the same weights each time. */
export const stages: Readonly<Record<keyof typeof given, (change?: object) => Prepared>> = {
  vae: (change) => prepare('vae', vae, { ...given.vae(), ...change }),
  teacher: (change) => prepare('teacher', teacher, { ...given.teacher(), ...change }),
  distil: (change) => prepare('distil', distil, { ...given.distil(), ...change }),
  ode: (change) => prepare('ode', ode, { ...given.ode(), ...change }),
  'self-forcing': (change) => prepare('self-forcing', selfForcing, { ...given['self-forcing'](), ...change }),
  'best-of-n': (change) => prepare('best-of-n', bestOfN, { ...given['best-of-n'](), ...change }),
  policy: (change) => prepare('policy', policy, { ...given.policy(), ...change }),
  reward: (change) => prepare('reward', reward, { ...given.reward(), ...change }),
};

export type StageName = keyof typeof given;

/** Runs a stage to its end and returns its steps. */
export async function collect<Step>(steps: AsyncGenerator<Step, void, void>): Promise<Step[]> {
  const all: Step[] = [];
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
