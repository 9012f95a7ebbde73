import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type Key, random } from '../../src/nn/index.ts';
import { addNoise } from '../../src/sampler/index.ts';
import { flowMatchingLoss, Learner, makeUpdate, spread } from '../../src/train/index.ts';
import { encodeText, forward, latents, valuesOf, wanWeights } from './small.ts';

beforeAll(async () => {
  await use('onnx');
});

/** A flow-matching run with a rate that changes at every step. */
async function trained(compiled: boolean) {
  const weights = wanWeights('teacher');
  const average = { weights: weights.clone({ trainable: false }), decay: 0.5 };
  const schedule = { lr: 1e-2, warmup: 4, decay: { kind: 'cosine', from: 4, to: 8 } } as const;
  const learner = new Learner('teacher', weights, { lr: schedule, clip: 0.5 }, average);
  const objective = (x0: Tensor, noise: Tensor, sigma: Tensor, context: Tensor) => {
    const x = addNoise(x0, noise, spread(sigma, x0));
    return { loss: flowMatchingLoss(forward(weights, { x, t: tf.mul(sigma, 1000), context }), x0, noise) };
  };
  const update = makeUpdate(learner, objective, { compiled });
  const losses: number[] = [];
  for (let step = 1; step <= 8; step++) losses.push((await update(...batch(random.key(step)))).loss);
  return { losses, values: await valuesOf([weights, average.weights]), status: update.status() };
}

function batch(key: Key): [Tensor, Tensor, Tensor, Tensor] {
  const { latents: drawn, prompts } = latents(key, 2);
  const noise = key.stream('noise').normal(drawn.shape);
  const { data } = key.stream('sigma').uniform([2]);
  return [
    tf.tensor(drawn.data, drawn.shape),
    tf.tensor(noise.data, noise.shape),
    tf.tensor1d(data),
    encodeText(prompts),
  ];
}

test('a replayed step follows rate, count, average and batch bit for bit', async () => {
  const [replayed, recorded] = [await trained(true), await trained(false)];
  expect(replayed.status?.reason).toBeNull();
  expect(replayed.status?.replayed).toBeGreaterThanOrEqual(4);
  expect(recorded.status).toBeNull();
  expect(replayed.losses).toEqual(recorded.losses);
  expect(replayed.values).toEqual(recorded.values);
});
