import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { encode } from '../../src/model/internal.ts';
import { type Key, random, toTensor } from '../../src/nn/index.ts';
import { causalStudent, denoisingSteps, rolloutLatents, seededNoise } from '../../src/sampler/index.ts';
import {
  distil,
  heldOutOdeLoss,
  latentStatistics,
  ode,
  reward,
  selfForcing,
  type TrainStep,
  teacher,
  vae,
} from '../../src/train/index.ts';
import { collect, latentShape, latents, prompts, redness, schedule, text, vaeNet, wanNet } from './small.ts';
import { pixelDecoder, pointNet } from './toys.ts';

beforeAll(async () => {
  await use('cpu');
});

/** Mean loss over the first and the last tenth of a run. */
async function ends(steps: AsyncGenerator<TrainStep, void, void>): Promise<{ first: number; last: number }> {
  const all = (await collect(steps)).map(({ loss }) => loss);
  const tenth = Math.ceil(all.length / 10);
  const mean = (part: number[]): number => part.reduce((sum, x) => sum + x, 0) / part.length;
  return { first: mean(all.slice(0, tenth)), last: mean(all.slice(-tenth)) };
}

describe('stages learn', () => {
  test('a teacher of one picture', async () => {
    const data = { teacher: wanNet('learn'), data: latents, text, batch: 4 };
    const { first, last } = await ends(teacher({ ...data, lr: 1e-2, clip: 1, steps: 60, seed: 1 }));
    expect(last).toBeLessThan(0.7 * first);
  });

  test('a causal student of straight trajectories, on held-out ones too', async () => {
    const options = { student: wanNet('learn'), data: straight, text, batch: 4 };
    const heldOut = () => heldOutOdeLoss({ ...options, seed: 'held out', batches: 2 });
    const before = await heldOut();
    expect(await heldOut()).toBe(before);
    await collect(ode({ ...options, lr: 1e-2, clip: 1, steps: 40, seed: 1 }));
    expect(await heldOut()).toBeLessThan(0.7 * before);
  });

  test('an autoencoder of one clip', async () => {
    const clip = random.key('clip').uniform([1, 3, 4, 4, 3], -0.8, 0.8);
    const options = { vae: vaeNet('learn'), data: () => clip, batch: 1, loss: 'l2' as const, klWeight: 0 };
    const { first, last } = await ends(vae({ ...options, lr: 2e-2, clip: 1, steps: 24, seed: 1 }));
    expect(last).toBeLessThan(0.7 * first);
  });

  test('a student climbs its reward', async () => {
    const judged = { decoder: pixelDecoder(0.3), reward: redness };
    const fixed = { student: wanNet('learn'), ...judged, prompts, text, latentShape, schedule, batch: 4 };
    const { first, last } = await ends(reward({ ...fixed, lr: 1e-2, clip: 1, steps: 20, seed: 1 }));
    expect(last).toBeLessThan(first - 0.1);
  });

  test('distillation brings the generator to the distribution of the teacher', async () => {
    const [generator, critic, real] = [pointNet(0), pointNet(0), pointNet(1.5)];
    const nets = { generator, critic, teacher: real, prompts, text, batch: 4, latentShape: [1, 1, 1, 1] };
    const learners = {
      generatorLearner: { lr: 0.05, betas: [0, 0.999] as const, weightDecay: 0 },
      criticLearner: { lr: 0.1, betas: [0, 0.9] as const, weightDecay: 0 },
    };
    const four = denoisingSteps([1000, 750, 500, 250], { shift: 5 });
    await collect(distil({ ...nets, ...learners, schedule: four, steps: 150, seed: 1, generatorEvery: 2 }));
    expect(generator.weights.get('point').dataSync()[0]).toBeCloseTo(1.5, 0);
    expect(real.weights.get('point').dataSync()[0]).toBe(1.5);
  });

  test('self forcing brings every block of a causal student there', async () => {
    const student = wanNet('learn');
    const nets = { student, critic: pointNet(0), teacher: pointNet(1.5), prompts, text, batch: 2 };
    const learners = {
      studentLearner: { lr: 2e-2, betas: [0, 0.99] as const, weightDecay: 0 },
      criticLearner: { lr: 0.1, betas: [0, 0.9] as const, weightDecay: 0 },
    };
    const run = { latentShape: [2, 2, 2, 2] as const, schedule, generatorEvery: 2, steps: 120, seed: 1 };
    const steps = await collect(selfForcing({ ...nets, ...learners, ...run }));
    for (const mean of await blockMeans(student)) expect(mean).toBeCloseTo(1.5, 0);
    expect(steps[0]).toHaveProperty('generatorLoss');
    expect(steps[1]).not.toHaveProperty('generatorLoss');
  });
});

/** Mean of each of the two blocks that a student generates. */
async function blockMeans(net: ReturnType<typeof wanNet>): Promise<number[]> {
  const key = random.key('look');
  const context = await text.encode(prompts(key, 8));
  const student = causalStudent(net, context);
  const noise = toTensor(key.normal([8, 2, 2, 2, 2]));
  const made = await rolloutLatents(student, noise, { schedule, renoise: seededNoise(key) });
  return [...(await tf.mean(made, [0, 2, 3, 4]).data())];
}

test('statistics of latents normalise them', async () => {
  const net = vaeNet();
  const clips = [1, 2, 3].map((seed) => random.key(seed).uniform([2, 3, 4, 4, 3], -1, 1));
  const { mean, std } = await latentStatistics(net, clips);
  const normalised = net.with({ latents_mean: mean, latents_std: std });
  const all = tf.concat(clips.map(({ data, shape }) => encode(normalised, tf.tensor(data, shape))));
  const { mean: centre, variance } = tf.moments(all, [0, 1, 2, 3]);
  expect(centre.dataSync()).toBeAllClose([0, 0], { atol: 1e-4 });
  expect(variance.dataSync()).toBeAllClose([1, 1], { atol: 1e-3 });
});

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
