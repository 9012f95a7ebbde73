/** What every differentiable reward owes: a gradient that finite differences confirm, and that leads upwards. */
import { expect } from 'vitest';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { random } from '../../src/nn/index.ts';
import type { Reward, RewardText } from '../../src/reward/index.ts';

/** Compares the gradient with central differences on pixels drawn from those of the largest slopes. */
export async function expectCentralDifferences(
  reward: Reward,
  frames: Tensor,
  prompts: string[],
  pixels: number,
): Promise<void> {
  const text = textOf(reward, frames, prompts);
  const total = (x: Tensor): Tensor => tf.sum(reward.compute(x, text));
  const gradient = await tf.grad(total)(frames).data<'float32'>();
  const values = await frames.data<'float32'>();
  const largest = [...gradient.keys()].sort((i, j) => Math.abs(gradient[j]!) - Math.abs(gradient[i]!)).slice(0, 200);
  const eps = 5e-3;
  for (const pick of random.key(9).integers(0, largest.length, pixels)) {
    const at = largest[pick]!;
    const moved = (by: number): number => {
      const copy = values.slice();
      copy[at]! += by;
      return tf.tidy(() => total(tf.tensor(copy, frames.shape)).dataSync()[0]!);
    };
    const high = moved(eps);
    const slope = (high - moved(-eps)) / (2 * eps);
    const rounding = (Math.max(1, Math.abs(high)) * 2 ** -22) / eps;
    expect(Math.abs(slope - gradient[at]!), `pixel ${at}`).toBeLessThan(0.02 * Math.abs(gradient[at]!) + rounding);
  }
}

/** Takes twenty steps of length 0.1 along the gradient; every score must rise, and no tensor may stay behind. */
export async function expectAscent(reward: Reward, frames: Tensor, prompts: string[]): Promise<void> {
  const text = textOf(reward, frames, prompts);
  const climb = tf.grad((x: Tensor) => tf.sum(reward.compute(x, text)));
  const before = await tf.tidy(() => reward.compute(frames, text)).data();
  let x = tf.clone(frames);
  const tensors = tf.memory().numTensors;
  for (let i = 0; i < 20; i++) {
    const next = tf.tidy(() => tf.clipByValue(tf.add(x, ofNorm(climb(x), 0.1)), 0, 1));
    x.dispose();
    x = next;
  }
  expect(tf.memory().numTensors).toBe(tensors);
  const after = await tf.tidy(() => reward.compute(x, text)).data();
  for (const [i, score] of after.entries()) expect(score).toBeGreaterThan(before[i]!);
}

function textOf(reward: Reward, frames: Tensor, prompts: string[]): RewardText {
  return reward.encode(prompts, { frames: frames.rank === 5 ? frames.shape[1]! : 1, key: random.key(5) });
}

/** The tensor scaled to a 2-norm. */
function ofNorm(x: Tensor, norm: number): Tensor {
  return tf.mul(x, tf.div(norm, tf.sqrt(tf.sum(tf.square(x)))));
}
