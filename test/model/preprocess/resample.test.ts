import { beforeAll, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { type Tensor, tf } from '../../../src/engine/tf.ts';
import { imageTransforms, preprocess, resample } from '../../../src/model/internal.ts';
import { framePlans, type ResampleFilter, resampleMatrix } from '../../../src/model/preprocess/preprocess.ts';

beforeAll(async () => {
  await use('cpu');
});

/** A signal resized by the matrix. */
function resized(signal: readonly number[], to: number, filter: ResampleFilter): number[] {
  const matrix = resampleMatrix({ from: signal.length, to }, filter);
  return Array.from({ length: to }, (_, row) =>
    signal.reduce((sum, value, i) => sum + value * matrix[row * signal.length + i]!, 0),
  );
}

const squares = Array.from({ length: 16 }, (_, i) => i * i);

/** Values of PIL and PyTorch on i². */
test.each([
  ['bicubic', true, [3.032539, 29.888378, 92.383568, 180.294434]],
  ['bicubic', false, [2.125, 30.125, 90.125, 182.125]],
  ['bilinear', false, [2.5, 30.5, 90.5, 182.5]],
  ['bilinear', true, [5.464286, 33, 93, 173.678574]],
] as const)('shrinking: %s, antialias %s', (kernel, antialias, expected) => {
  expect(resized(squares, 4, { kernel, antialias })).toBeAllClose(expected, { atol: 2e-5 });
});

test('enlarging without antialias repeats the border', () => {
  const expected = [-0.105469, 0.121094, 0.457031, 1.609375, 2.828125, 5.449219, 7.972656, 9.527344];
  expect(resized([0, 1, 4, 9], 8, { kernel: 'bicubic', antialias: false })).toBeAllClose(expected, { atol: 1e-5 });
});

test('aligned corners keep the first and the last value', () => {
  const filter = { kernel: 'bilinear', antialias: false, alignCorners: true } as const;
  expect(resized([1, 3, 2], 5, filter)).toBeAllClose([1, 2, 3, 2.5, 2], { atol: 1e-6 });
});

test('a window of the result is the same part of the whole', () => {
  const filter = { kernel: 'bicubic', antialias: true } as const;
  const whole = resampleMatrix({ from: 20, to: 9 }, filter);
  const part = resampleMatrix({ from: 20, to: 9, first: 3, count: 4 }, filter);
  expect(part).toEqual(whole.slice(3 * 20, 7 * 20));
});

test('rows and columns are not confused', () => {
  const filter = { kernel: 'bilinear', antialias: false } as const;
  const image = tf.tensor4d(
    Array.from({ length: 4 * 6 }, (_, i) => Math.floor(i / 6)),
    [1, 4, 6, 1],
  );
  const small = resample(image, { from: 4, to: 2 }, { from: 6, to: 3 }, filter);
  expect(small.shape).toEqual([1, 2, 3, 1]);
  expect(small.dataSync()).toBeAllClose([0.5, 0.5, 0.5, 2.5, 2.5, 2.5], { atol: 1e-6 });
  expect(() => resample(image, { from: 6, to: 2 }, { from: 4, to: 3 }, filter)).toThrow('[1,4,6,1]');
});

test('a wide frame keeps its middle', () => {
  expect(framePlans(480, 832, imageTransforms.clip)).toEqual([
    { from: 480, to: 224, first: 0, count: 224 },
    { from: 832, to: 388, first: 82, count: 224 },
  ]);
  expect(framePlans(480, 832, imageTransforms.vbenchDino)).toEqual([
    { from: 480, to: 224 },
    { from: 832, to: 388 },
  ]);
});

test('preprocessing is linear: its gradient sums to that of a constant change', () => {
  const frames = tf.randomUniform([1, 12, 16, 3], 0, 1, 'float32', 1);
  const transform = { ...imageTransforms.clip, size: 6 };
  const gradient = tf.grad((x: Tensor) => tf.sum(preprocess(x, transform)))(frames);
  const perChannel = transform.std.map((std) => 36 / std);
  expect(tf.sum(gradient, [0, 1, 2]).dataSync()).toBeAllClose(perChannel, { rtol: 1e-5, atol: 0 });
});
