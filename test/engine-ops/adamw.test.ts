import { afterAll, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { adamwStep } from '../../src/engine/ops/index.ts';
import { tf } from '../../src/engine/tf.ts';

afterAll(() => engine.use('cpu'));

test.each([
  { name: 'cpu', beta1: 0.9, lr: 1e-2 },
  { name: 'cpu', beta1: 0, lr: 2e-6 },
  { name: 'onnx', beta1: 0.9, lr: 1e-2 },
  { name: 'onnx', beta1: 0, lr: 2e-6 },
] as const)('adamwStep follows torch.optim.AdamW on $name, beta1 $beta1', async ({ name, beta1, lr }) => {
  await engine.use(name);
  const { beta2, weightDecay } = { beta2: 0.999, weightDecay: 0.01 };
  const param = tf.variable(tf.tensor([1, -2, 0.5]));
  const [m, v] = [tf.variable(tf.zeros([3])), tf.variable(tf.zeros([3]))];
  const grads = [0.1, -0.02, 3];
  const state = grads.map((_, i) => ({ p: [1, -2, 0.5][i] as number, m: 0, v: 0 }));
  for (let step = 1; step <= 3; step++) {
    const shared = { lr: tf.scalar(lr), beta1, beta2, eps: 1e-8, weightDecay, step: tf.scalar(step) };
    adamwStep({
      params: [param],
      grads: [tf.tensor(grads)],
      m: [m],
      v: [v],
      ...shared,
      gradScale: tf.scalar(0.5),
    });
    state.forEach((s, i) => {
      const g = (grads[i] as number) * 0.5;
      s.m = beta1 * s.m + (1 - beta1) * g;
      s.v = beta2 * s.v + (1 - beta2) * g * g;
      const denominator = Math.sqrt(s.v) / Math.sqrt(1 - beta2 ** step) + 1e-8;
      s.p = s.p * (1 - lr * weightDecay) - ((lr / (1 - beta1 ** step)) * s.m) / denominator;
    });
  }
  const start = [1, -2, 0.5];
  const moved = Array.from(param.dataSync(), (p, i) => p - (start[i] as number));
  expect(moved).toBeAllClose(
    state.map((s, i) => s.p - (start[i] as number)),
    { atol: 2e-7 },
  );
});
