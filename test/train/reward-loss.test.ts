import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import type { RewardLossForm } from '../../src/train/index.ts';
import { rewardLoss, settleForm } from '../../src/train/rollout/reward-loss.ts';
import { redness } from './small.ts';
import { pixelDecoder } from './toys.ts';

beforeAll(async () => {
  await use('cpu');
});

/** Frames whose redness is the shares given, as latents in [-1, 1]. */
function red(...shares: number[]): Tensor {
  const data = shares.flatMap((share) => [2 * share - 1, -1, -1]);
  return tf.tensor(data, [shares.length, 1, 1, 1, 3]);
}

function lossOf(latents: Tensor, loss?: RewardLossForm): Tensor {
  const judged = { frame: 0, text: { seen: tf.zeros([latents.shape[0]!]) }, gradientFrom: 0 };
  return rewardLoss(
    { decoder: pixelDecoder(1), reward: redness, frames: 'first', loss: settleForm(loss) },
    latents,
    judged,
  ).loss;
}

test('the loss is the negative mean, with a weight if one is given', async () => {
  const latents = red(0.3, 0.9); // redness is 2/3 of each
  expect((await lossOf(latents).data())[0]).toBeCloseTo(-0.4, 5);
  expect((await lossOf(latents, { form: 'negative', weight: 0.5 }).data())[0]).toBeCloseTo(-0.2, 5);
});

test("ReFL's form stops pushing clips that reached the target", async () => {
  const latents = red(0.3, 0.9);
  const form = { form: 'refl', target: 0.4, scale: 10 } as const;
  expect((await lossOf(latents, form).data())[0]).toBeCloseTo(1, 4);
  const slope = await tf
    .grad((x: Tensor) => lossOf(x, form))(latents)
    .data();
  expect(slope.slice(0, 3).some((value) => value !== 0)).toBe(true);
  expect([...slope.slice(3)].map(Math.abs)).toEqual([0, 0, 0]);
});
