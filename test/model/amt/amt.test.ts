/**
 * No parity fixture of AMT exists; the expected numbers are those of the original's own module (networks/AMT-S.py as
 * VBench carries it) with the hashed weights of ../hashed-weights.ts.
 */
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { type Tensor4D, tf } from '../../../src/engine/tf.ts';
import { warp } from '../../../src/model/amt/layers.ts';
import { amtShapes } from '../../../src/model/amt/weights.ts';
import { amtMidpoint, amtPresets } from '../../../src/model/internal.ts';
import { parameterCount, type Weights } from '../../../src/nn/index.ts';
import { hashed } from '../hashed.ts';
import { hashedWeights } from '../hashed-weights.ts';

const config = amtPresets.amt_s;
let weights: Weights;

beforeAll(async () => {
  await use('onnx');
  weights = hashedWeights(amtShapes(config), 0.75);
});

/** Waves whose direction and phase follow from the name. */
function waves(name: string, height: number, width: number): Tensor4D {
  const h = hashed(name, [3, 4]);
  const data = Float32Array.from({ length: height * width * 3 }, (_, i) => {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    const [a, b, p, q] = h.subarray(4 * c, 4 * c + 4) as unknown as [number, number, number, number];
    const carrier = Math.sin(0.11 * x * (1 + a * 0.3) + 0.07 * y * (1 + b * 0.3) + 3 * p);
    return 0.5 + 0.4 * carrier * Math.cos(0.05 * x - 0.13 * y + 3 * q);
  });
  return tf.tensor4d(data, [1, height, width, 3]);
}

test('the published model has its number of parameters', () => {
  expect(parameterCount(amtShapes(config))).toBe(2_990_543);
  expect(amtShapes(config).size).toBe(213);
});

test('the picture between is the one of the original', async () => {
  const picture = await amtMidpoint(
    { weights, config },
    waves('first', 128, 144),
    waves('second', 128, 144),
  ).data<'float32'>();
  const every = Array.from({ length: 12 }, (_, i) => picture[4999 * i]!);
  const expected = [0.53852, 0, 1, 0.63157, 0.21452, 0.75537, 0.33664, 0.32925, 0.83989, 0.49567, 0, 1];
  expect(every).toBeAllClose(expected, { atol: 2e-5 });
  const mean = picture.reduce((sum, value) => sum + value, 0) / picture.length;
  expect(mean).toBeCloseTo(0.428285, 5);
});

test('keeps the size and leaves no tensor behind', async () => {
  const still = waves('first', 128, 128);
  const before = tf.memory().numTensors;
  const picture = amtMidpoint({ weights, config }, still, still);
  expect(tf.memory().numTensors).toBe(before + 1);
  expect(picture.shape).toEqual([1, 128, 128, 3]);
});

test.each([
  [112, 128],
  [130, 128],
])('refuses pictures of %i x %i', (height, width) => {
  const picture = tf.zeros([1, height, width, 3]);
  expect(() => amtMidpoint({ weights, config }, picture, picture)).toThrow(/multiples of 16, 128 or more/);
});

test('warping reads between pixels and repeats the border', async () => {
  const row = tf.tensor4d([0, 10, 20, 40], [1, 1, 4, 1]);
  const flow = tf.tensor4d([0.5, 0, 1, 0, 0.25, 0, 9, 0], [1, 1, 4, 2]);
  expect(await warp(row, flow).data()).toBeAllClose([5, 20, 25, 40], { atol: 1e-5 });
});
