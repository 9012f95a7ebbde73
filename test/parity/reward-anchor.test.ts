import { expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { drift } from '../../src/train/rollout/anchor.ts';
import { expectParity, fixture } from './fixtures.ts';

const data = fixture('reward-anchor');
const cases = await data.tensors();
const { kl_weight: weight, combined_weight: combined } = data.config as { kl_weight: number; combined_weight: number };
const exact = { atol: 0, rtol: 1e-5 };

test.each(['cpu', 'onnx'] as const)('anchors as public trainers have them, on %s', async (name) => {
  await use(name);
  const before = tf.memory().numTensors;
  const [v, vRef, x, t, x0] = ['v', 'v_ref', 'x_t', 't', 'x0_pred'].map((key) => cases.tensor(key)) as [
    ...[Tensor, Tensor, Tensor, Tensor, Tensor],
  ];
  const sigma = tf.reshape(t, [-1, 1, 1, 1, 1]);
  const estimate = (velocity: Tensor): Tensor => tf.sub(x, tf.mul(sigma, velocity));
  const reference = tf.tidy(() => estimate(vRef));
  const anchor = (from: Tensor, form: 'velocity' | 'x0'): Tensor => drift(from, reference, { sigma, form });
  const expected = async (key: string, loss: (at: Tensor) => Tensor, at: Tensor, by: string): Promise<void> => {
    const { value, grad } = tf.valueAndGrad((from: Tensor) => loss(from).asScalar())(at);
    await expectParity(`reward-anchor ${key} [${name}]`, value, cases.host(`${key}.loss`), exact);
    await expectParity(`reward-anchor ${key} gradient [${name}]`, grad, cases.host(`${key}.grad.${by}`), exact);
    tf.dispose([value, grad]);
  };
  await expected('velocity', (at) => tf.mul(anchor(estimate(at), 'velocity'), weight), v, 'v');
  await expected('x0', (at) => tf.mul(anchor(estimate(at), 'x0'), weight), v, 'v');
  await expected('x0', (at) => tf.mul(anchor(at, 'x0'), weight), x0, 'x0_pred');
  const bright = (from: Tensor): Tensor => tf.mean(tf.abs(tf.sub(tf.mean(from, [1, 2, 3, 4]), 1)));
  const both = (at: Tensor): Tensor => tf.add(bright(estimate(at)), tf.mul(anchor(estimate(at), 'velocity'), combined));
  await expected('combined', both, v, 'v');
  tf.dispose([v, vRef, x, t, x0, sigma, reference]);
  expect(tf.memory().numTensors).toBe(before);
});
