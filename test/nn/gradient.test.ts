import { beforeAll, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { stopGradient } from '../../src/nn/index.ts';
import { withoutGradient } from '../../src/nn/internal.ts';

beforeAll(() => engine.use('cpu'));

test('a stopped tensor is a constant with the same values', () => {
  const x = tf.tensor1d([2, 3]);
  const gradient = tf.grad((y) => tf.sum(tf.mul(y, stopGradient(tf.square(y)))));
  expect(Array.from(gradient(x).dataSync())).toEqual([4, 9]);
});

test('what is computed without gradient is a constant, also after an error', () => {
  const x = tf.tensor1d([2, 3]);
  const gradient = tf.grad((y) => {
    expect(() =>
      withoutGradient(() => {
        throw new Error('inside');
      }),
    ).toThrow('inside');
    const factor = withoutGradient(() => tf.mul(y, 10));
    return tf.sum(tf.mul(tf.square(y), factor));
  });
  expect(Array.from(gradient(x).dataSync())).toEqual([80, 180]);
});
