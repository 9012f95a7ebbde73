import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { vae as autoencoder, encode } from '../../src/model/vae/index.ts';
import { wanCausalForward } from '../../src/model/wan/index.ts';
import { type Key, random, Weights } from '../../src/nn/index.ts';
import { denoisingSteps, wanStudent } from '../../src/sampler/index.ts';
import {
  type BoundStudent,
  type Decoder,
  distil,
  type Forward,
  heldOutOdeLoss,
  latentStatistics,
  ode,
  reward,
  selfForcing,
  teacher,
  vae,
} from '../../src/train/index.ts';
import {
  collect,
  config,
  encodeText,
  forward,
  latentShape,
  latents,
  prompts,
  redness,
  vaeSizes,
  wanWeights,
} from './small.ts';

beforeAll(async () => {
  await use('cpu');
});

/** Mean loss over the first and the last tenth of a run. */
async function ends(steps: Parameters<typeof collect>[0]): Promise<{ first: number; last: number }> {
  const all = (await collect(steps)).map(({ loss }) => loss);
  const tenth = Math.ceil(all.length / 10);
  const mean = (part: number[]): number => part.reduce((sum, x) => sum + x, 0) / part.length;
  return { first: mean(all.slice(0, tenth)), last: mean(all.slice(-tenth)) };
}

describe('stages learn', () => {
  test('a teacher of one picture', async () => {
    const weights = wanWeights('learn');
    const data = { teacher: { weights, forward }, data: latents, encodeText, batch: 4 };
    const { first, last } = await ends(teacher({ ...data, lr: 1e-2, clip: 1, steps: 60, seed: 1 }));
    expect(last).toBeLessThan(0.7 * first);
  });

  test('a causal student of straight trajectories, on held-out ones too', async () => {
    const student = { weights: wanWeights('learn'), forward: causalForward };
    const options = { student, data: straight, encodeText, batch: 4, framesPerBlock: 1 };
    const heldOut = () => heldOutOdeLoss({ ...options, seed: 'held out', batches: 2 });
    const before = await heldOut();
    expect(await heldOut()).toBe(before);
    await collect(ode({ ...options, lr: 1e-2, clip: 1, steps: 40, seed: 1 }));
    expect(await heldOut()).toBeLessThan(0.7 * before);
  });

  test('an autoencoder of one clip', async () => {
    const { weights } = autoencoder.init(vaeSizes, random.key('learn'));
    const clip = random.key('clip').uniform([1, 3, 4, 4, 3], -0.8, 0.8);
    const options = {
      vae: { weights, config: vaeSizes },
      data: () => clip,
      batch: 1,
      loss: 'l2' as const,
      klWeight: 0,
    };
    const { first, last } = await ends(vae({ ...options, lr: 2e-2, clip: 1, steps: 24, seed: 1 }));
    expect(last).toBeLessThan(0.7 * first);
  });

  test('a student climbs its reward', async () => {
    const weights = wanWeights('learn');
    const student = { weights, bind: (context: Tensor) => wanStudent({ weights, config }, context) };
    const schedule = denoisingSteps([1000, 500], { shift: 5 });
    const fixed = { student, decoder: pixels, reward: redness, prompts, encodeText, latentShape, schedule, batch: 4 };
    const { first, last } = await ends(reward({ ...fixed, lr: 1e-2, clip: 1, steps: 20, seed: 1 }));
    expect(last).toBeLessThan(first - 0.1);
  });

  test('distillation brings the generator to the distribution of the teacher', async () => {
    const make = (value: number): { weights: Weights; forward: Forward } => ({
      weights: pointWeights(value),
      forward: toPoint,
    });
    const [generator, critic, real] = [make(0), make(0), make(1.5)];
    const networks = { generator, critic, teacher: real, prompts, encodeText, batch: 4, latentShape: [1, 1, 1, 1] };
    const learners = {
      generatorLearner: { lr: 0.05, betas: [0, 0.999] as const, weightDecay: 0 },
      criticLearner: { lr: 0.1, betas: [0, 0.9] as const, weightDecay: 0 },
    };
    const schedule = denoisingSteps([1000, 750, 500, 250], { shift: 5 });
    await collect(distil({ ...networks, ...learners, schedule, steps: 150, seed: 1, generatorEvery: 2 }));
    expect(generator.weights.get('point').dataSync()[0]).toBeCloseTo(1.5, 0);
    expect(real.weights.get('point').dataSync()[0]).toBe(1.5);
  });

  test('self forcing brings every block of a causal student there', async () => {
    const [critic, real] = [
      { weights: pointWeights(0), forward: toPoint },
      { weights: pointWeights(1.5), forward: toPoint },
    ];
    const weights = pointWeights(0);
    const options = {
      ...{
        student: { weights, bind: () => pointStudent(weights) },
        critic,
        teacher: real,
        prompts,
        encodeText,
        batch: 2,
      },
      studentLearner: { lr: 0.05, betas: [0, 0.999] as const, weightDecay: 0 },
      criticLearner: { lr: 0.1, betas: [0, 0.9] as const, weightDecay: 0 },
      ...{ latentShape: [2, 1, 1, 1] as const, schedule: denoisingSteps([1000, 500], { shift: 5 }), generatorEvery: 2 },
    };
    const steps = await collect(selfForcing({ ...options, steps: 120, seed: 1 }));
    expect(weights.get('point').dataSync()[0]).toBeCloseTo(1.5, 0);
    expect(steps[0]?.values).toHaveProperty('generatorLoss');
    expect(steps[1]?.values).not.toHaveProperty('generatorLoss');
  });
});

test('statistics of latents normalise them', async () => {
  const { weights } = autoencoder.init(vaeSizes, random.key('vae'));
  const clips = [1, 2, 3].map((seed) => random.key(seed).uniform([2, 3, 4, 4, 3], -1, 1));
  const { mean, std } = await latentStatistics({ weights, config: vaeSizes }, clips);
  const normalised = { ...vaeSizes, latents_mean: mean, latents_std: std };
  const all = tf.concat(
    clips.map(({ data, shape }) => encode({ weights, config: normalised }, tf.tensor(data, shape))),
  );
  const { mean: centre, variance } = tf.moments(all, [0, 1, 2, 3]);
  expect(centre.dataSync()).toBeAllClose([0, 0], { atol: 1e-4 });
  expect(variance.dataSync()).toBeAllClose([1, 1], { atol: 1e-3 });
});

const causalForward: Forward = (weights, input) => wanCausalForward({ weights, config }, input);

/** Straight lines from noise to the pictures that `latents` draws. */
function straight(key: Key, count: number) {
  const clean = latents(key, count);
  const noise = key.stream('noise').normal(clean.latents.shape);
  const sigmas = [1, 0.5, 0];
  const state = (sigma: number, from: number, to: number): number[] =>
    Array.from(clean.latents.data.slice(from, to), (x, i) => (1 - sigma) * x + sigma * noise.data[from + i]!);
  const size = noise.data.length / count;
  const data = Array.from({ length: count }, (_, b) =>
    sigmas.flatMap((sigma) => state(sigma, b * size, (b + 1) * size)),
  );
  const states = { dtype: 'float32' as const, shape: [count, 3, ...latentShape], data: Float32Array.from(data.flat()) };
  return { states, sigmas, prompts: clean.prompts };
}

/** Latents shown as dim pixels, their first channel again as the third. */
const pixels: Decoder = {
  stride: 1,
  decode: (latents) => {
    const first = tf.slice(latents, [0, 0, 0, 0, 0], [-1, -1, -1, -1, 1]);
    return tf.clipByValue(tf.mul(tf.concat([latents, first], 4), 0.3), -1, 1);
  },
};

/** A network whose clean estimate is one number: the exact score of a distribution that is a single point. */
const toPoint: Forward = (weights, { x, t }) => {
  const sigma = tf.reshape(tf.div(t, 1000), [-1, 1, 1, 1, 1]);
  return tf.div(tf.sub(x, weights.get('point') as Tensor), sigma);
};

const noCache = { layers: [], globalEnd: 0, localEnd: 0, capacity: 0 };

/** The causal student of the same point; it needs no memory of earlier blocks. */
function pointStudent(weights: Weights): BoundStudent<null> {
  return {
    blocks: { framesPerBlock: 1 },
    emptyCache: () => noCache,
    velocity: (x, t) => tf.tidy(() => toPoint(weights, { x, t: tf.fill([x.shape[0]!], t), context: x })),
    remember: () => noCache,
    release: () => undefined,
    dispose: () => undefined,
  };
}

function pointWeights(value: number): Weights {
  return Weights.from([['point', { dtype: 'float32', shape: [1], data: Float32Array.of(value) }]]);
}
