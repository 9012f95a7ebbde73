import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { random } from '../../src/nn/index.ts';
import { frameSelect, type Judge } from '../../src/reward/index.ts';
import { denoisingSteps } from '../../src/sampler/index.ts';
import { bestOfN, policy, reward } from '../../src/train/index.ts';
import { groupAdvantages, policyLoss, stepDivergence, stepLogDensity } from '../../src/train/losses.ts';
import { settleExploration, withExploration } from '../../src/train/rollout/exploration.ts';
import { blindRedness, collect, latentShape, prompts, text, wanNet } from './small.ts';
import { pixelDecoder } from './toys.ts';

beforeAll(async () => {
  await use('onnx');
});

const onAll: Judge = frameSelect(blindRedness, 'all');

function settings(steps: number, judge: Judge = onAll) {
  const schedule = denoisingSteps([1000, 750, 500], { shift: 5 });
  const nets = { student: wanNet('learn'), decoder: pixelDecoder(0.3) };
  return { ...nets, judge, prompts, text, latentShape, schedule, steps, seed: 1, clip: 1 };
}

type Stage = (options: Parameters<typeof bestOfN>[0]) => AsyncGenerator<{ reward: number }, void, void>;

/** How much the reward of the same 48 clips rises by training; a run at rate 0 measures it. */
async function climbed(stage: Stage, options: Parameters<Stage>[0]): Promise<number> {
  const measure = async (): Promise<number> => {
    const still = { ...options, steps: 1, seed: 'held out', lr: 0, batch: 24, samples: 2 };
    const [step] = await collect(stage(still));
    return step!.reward;
  };
  const before = await measure();
  await collect(stage(options));
  return (await measure()) - before;
}

describe('rewards without gradient', () => {
  test.each<[string, Stage]>([
    ['keeping the best of n', bestOfN],
    ['policy gradient', policy],
  ])('are climbed by %s, and those of the opposite taste descended', async (_, stage) => {
    const fixed = { batch: 2, samples: 8, lr: 1e-2, betas: [0.9, 0.99] as const, weightDecay: 0 };
    const disliked: Judge = {
      ...onAll,
      info: { ...onAll.info, id: 'opposite' },
      score: async (...given) => (await onAll.score(...given)).map((score) => -score),
    };
    const up = await climbed(stage, { ...settings(24), ...fixed });
    const down = await climbed(stage, { ...settings(24, disliked), ...fixed });
    expect(up).toBeGreaterThan(0.02);
    expect(down).toBeGreaterThan(0.02);
  });

  test('are refused where the gradient is needed', () => {
    const { judge: _, ...rest } = settings(1);
    const run = reward({ ...rest, batch: 2, lr: 1e-3, reward: blindRedness });
    return expect(collect(run)).rejects.toThrow('has no gradient');
  });

  test('may come from elsewhere; clips arrive whole, with their prompts', async () => {
    const seen: [readonly string[], number[]][] = [];
    const external: Judge = {
      info: { ...onAll.info, id: 'elsewhere', external: { endpoint: '', model: '' } },
      score: async (video, given) => {
        seen.push([given, video.shape]);
        return given.map((_, i) => video.dataSync()[(i * video.size) / given.length]!);
      },
      dispose: () => undefined,
    };
    const [step] = await collect(bestOfN({ ...settings(1, external), batch: 2, samples: 3, lr: 1e-3 }));
    const [[given, shape]] = seen as [(typeof seen)[0]];
    expect([given.length, shape.slice(0, 2)]).toEqual([6, [6, latentShape[0]]]);
    expect(new Set(given.slice(0, 3)).size).toBe(1);
    expect(step!.rewardBest).toBeGreaterThanOrEqual(step!.reward);
  });

  test.each([true, false])('are asked of clips that start from one noise (%s)', async (sharedStart) => {
    const explored = settleExploration({ ...settings(1), sharedStart, batch: 1, samples: 3 });
    await withExploration(explored, random.key(1), 0, async ({ transitions, scores }) => {
      const [first, second] = tf.unstack(transitions[0]!.x).map((start) => String(start.dataSync()));
      expect(first === second).toBe(sharedStart);
      expect(new Set(scores).size).toBe(3);
    });
  });

  test('stop the run when they are no numbers', async () => {
    const broken: Judge = {
      ...onAll,
      info: { ...onAll.info, id: 'broken' },
      score: async (_, all) => all.map(() => Number.NaN),
    };
    const before = tf.memory().numTensors;
    const options = settings(1, broken);
    await expect(collect(policy({ ...options, batch: 1, lr: 1e-3 }))).rejects.toThrow('broken gave the scores NaN');
    for (const net of [options.student, options.decoder]) net.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('settings that compare nothing are refused', async () => {
    const options = { ...settings(1), batch: 1, lr: 1e-3 };
    await expect(collect(bestOfN({ ...options, samples: 1 }))).rejects.toThrow('samples: wanted 2');
    await expect(collect(bestOfN({ ...options, keep: 4 }))).rejects.toThrow('keep: wanted a whole number in 1..3');
    const oneStep = denoisingSteps([1000], { shift: 5 });
    await expect(collect(policy({ ...options, schedule: oneStep }))).rejects.toThrow('received one denoising step');
  });
});

test('advantages have mean 0 and deviation 1 within a prompt, and are 0 without differences', () => {
  expect(groupAdvantages([1, 3, 5, 5], 2)).toEqual([-1, 1, 0, 0]);
  expect(groupAdvantages([0, 0, 3], 3)).toBeAllClose([-Math.SQRT1_2, -Math.SQRT1_2, Math.SQRT2], { atol: 1e-6 });
});

test('the density of a step is that of the normal distribution, up to its constant', () => {
  const [next, x0, sigma] = [tf.tensor2d([[0.4, -0.2]]), tf.tensor2d([[1, 2]]), 0.8];
  const wanted = -((0.4 - 0.2) ** 2 + (-0.2 - 0.4) ** 2) / 2 / (2 * 0.64);
  expect(stepLogDensity(next, x0, sigma).dataSync()[0]).toBeCloseTo(wanted, 5);
  const other = tf.tensor2d([[1.5, 2]]);
  expect(stepDivergence(x0, other, sigma).dataSync()[0]).toBeCloseTo((0.2 * 0.5) ** 2 / 2 / (2 * 0.64), 6);
});

test('the policy gradient at the old policy is the mean of advantage times score function', () => {
  const advantages = tf.tensor1d([1, -2, 0.5]);
  const next = tf.tensor(random.key(1).normal([3, 4]).data, [3, 4]);
  const x0 = tf.tensor(random.key(2).normal([3, 4]).data, [3, 4]);
  const sigma = 0.7;
  const old = stepLogDensity(next, x0, sigma);
  const slope = tf.grad((y: Tensor) => policyLoss(stepLogDensity(next, y, sigma), old, advantages, 0.1).loss)(x0);
  const score = tf.mul(tf.sub(next, tf.mul(x0, 1 - sigma)), (1 - sigma) / sigma ** 2 / 4);
  const wanted = tf.mul(tf.mul(score, tf.reshape(advantages, [3, 1])), -1 / 3);
  expect(slope.dataSync()).toBeAllClose(wanted.dataSync(), { atol: 1e-6 });
});

test('a ratio that left its range on the good side pulls no further, on the bad side it is pulled back', () => {
  const old = tf.zeros([4]);
  const now = tf.tensor1d([0.5, -0.5, 0.5, -0.5]);
  const advantages = tf.tensor1d([1, 1, -1, -1]);
  const slope = tf.grad((y: Tensor) => policyLoss(y, old, advantages, 0.2).loss)(now);
  const [raised, lowered] = [Math.exp(0.5) / 4, Math.exp(-0.5) / 4];
  expect(slope.dataSync()).toBeAllClose([0, -lowered, raised, 0], { atol: 1e-6 });
  expect(policyLoss(now, old, advantages, 0.2).outside.dataSync()[0]).toBe(1);
});
