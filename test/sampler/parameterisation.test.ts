import { beforeAll, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { addNoise, fewStep, type Sigma } from '../../src/sampler/index.ts';
import { guided } from '../../src/sampler/internal.ts';
import { guide, velocityToX0 } from '../../src/sampler/ode/velocity.ts';

beforeAll(async () => {
  await engine.use('cpu');
});

const x0 = (): Tensor => tf.tensor([0.3, -1.2, 2], [1, 3, 1, 1, 1]);
const noise = (): Tensor => tf.tensor([1.1, 0.4, -0.7], [1, 3, 1, 1, 1]);

test.each([
  ['one level', (): Sigma => 0.7] as const,
  ['a level a frame', (): Sigma => tf.tensor([0.2, 0.7, 0.95], [1, 3, 1, 1, 1])] as const,
])('a velocity points to x0: %s', (_, level) => {
  const sigma = level();
  const x = addNoise(x0(), noise(), sigma);
  const v = noise().sub(x0());
  expect(velocityToX0(x, v, sigma).dataSync()).toBeAllClose(x0().dataSync(), { atol: 1e-6 });
});

test('the ends are exact: only noise at 1, only the sample at 0', () => {
  expect(addNoise(x0(), noise(), 1).dataSync()).toEqual(noise().dataSync());
  expect(addNoise(x0(), noise(), 0).dataSync()).toEqual(x0().dataSync());
});

test('the scalar step worked out in the specification', () => {
  const [x, v] = [tf.scalar(1.2), tf.scalar(0.7)];
  const clean = velocityToX0(x, v, 0.9375);
  expect(clean.dataSync()[0]).toBeCloseTo(0.54375, 6);
  expect(addNoise(clean, tf.scalar(-0.4), 0.8333333).dataSync()[0]).toBeCloseTo(-0.24270832, 6);
});

test('guidance goes from unconditional through conditional', () => {
  const [c, u] = [tf.tensor([1, 2]), tf.tensor([0, 1])];
  expect([...guide(c, u, 0).dataSync()]).toEqual([0, 1]);
  expect([...guide(c, u, 1).dataSync()]).toEqual([1, 2]);
  expect([...guide(c, u, 6).dataSync()]).toEqual([6, 7]);
});

test('guiding velocities is guiding x0, and scale 1 never calls the unconditional network', () => {
  const sigma = 0.6;
  const x = tf.tensor([0.5]);
  const [c, u] = [tf.tensor([0.2]), tf.tensor([-0.4])];
  const byVelocity = guided(
    () => c,
    () => u,
    4,
  )(x, 600, sigma);
  const byX0 = guide(velocityToX0(x, c, sigma), velocityToX0(x, u, sigma), 4);
  expect(velocityToX0(x, byVelocity, sigma).dataSync()).toBeAllClose(byX0.dataSync(), { atol: 1e-6 });
  const never = () => {
    throw new Error('called');
  };
  expect(guided(() => c, never, 1)(x, 600, sigma)).toBe(c);
});

test('few steps re-noise each prediction with its own fresh noise', () => {
  const schedule = { sigmas: Float64Array.of(1, 0.5, 0), timesteps: Float64Array.of(1000, 500) };
  const fresh: number[] = [];
  const end = fewStep((x) => x.mul(0.5), tf.tensor([2]), schedule, {
    noise: (index, shape) => {
      fresh.push(index, ...shape);
      return tf.tensor([-1]);
    },
  });
  // x0 = 2 - 1 * 1 = 1; x = 0.5 * 1 + 0.5 * -1 = 0; x0 = 0
  expect([...end.dataSync()]).toEqual([0]);
  expect(fresh).toEqual([0, 1]);
});
