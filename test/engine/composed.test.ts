import { describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor1D, type Tensor2D, type Tensor4D, tf } from '../../src/engine/tf.ts';
import { agree } from './agree.ts';
import { booleans, floats, integers } from './inputs.ts';

const activations = ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu'] as const;

describe('products and convolutions with bias and activation', () => {
  agree(
    activations.map((activation) => [
      `matMul, ${activation}`,
      () =>
        tf.fused.matMul({
          a: floats([3, 5, 4], 1),
          b: floats([3, 6, 5], 2),
          transposeA: true,
          transposeB: true,
          bias: floats([6], 3),
          activation,
          leakyreluAlpha: 0.3,
        }),
    ]),
  );
  agree(
    activations.map((activation) => [
      `conv2d, ${activation}`,
      () =>
        tf.fused.conv2d({
          x: floats([2, 6, 5, 3], 1) as Tensor4D,
          filter: floats([3, 3, 3, 4], 2) as Tensor4D,
          strides: 1,
          pad: 'same',
          bias: floats([4], 3) as Tensor1D,
          activation,
          leakyreluAlpha: 0.3,
        }),
    ]),
  );
  agree([
    [
      'depthwise convolution with prelu',
      () =>
        tf.fused.depthwiseConv2d({
          x: floats([2, 6, 5, 3], 1) as Tensor4D,
          filter: floats([3, 3, 3, 2], 2) as Tensor4D,
          strides: 2,
          pad: 'valid',
          bias: floats([6], 3) as Tensor1D,
          activation: 'prelu',
          preluActivationWeights: floats([6], 4),
        }),
    ],
  ]);
});

describe('angles', () => {
  agree([
    ['atan2', () => tf.atan2(floats([4, 5], 1), floats([5], 2))],
    ['atan2 in every quadrant and on the axes', () => tf.atan2(grid(0), grid(1))],
    ['atan2 of integers', () => tf.atan2(integers([20], -3, 3, 1), integers([20], -3, 3, 2))],
  ]);

  test('of two infinities lies on the diagonal', async () => {
    await engine.use('onnx');
    const [a, b] = [tf.tensor1d([Infinity, -Infinity, Infinity]), tf.tensor1d([Infinity, -Infinity, 1])];
    const angles = tf.tidy(() => tf.atan2(a, b));
    expect(angles.dataSync()).toBeAllClose([Math.PI / 4, (-3 * Math.PI) / 4, Math.PI / 2], { atol: 1e-6 });
    tf.dispose([a, b, angles]);
  });
});

/** Pairs of -1, 0, 1. */
function grid(which: 0 | 1) {
  return tf.tensor1d(Array.from({ length: 9 }, (_, i) => (which === 0 ? Math.floor(i / 3) : i % 3) - 1));
}

describe('running products', () => {
  for (const exclusive of [false, true]) {
    for (const reverse of [false, true]) {
      agree([
        [`exclusive ${exclusive}, reverse ${reverse}`, () => tf.cumprod(floats([3, 7, 2], 1), 1, exclusive, reverse)],
      ]);
    }
  }
  agree([
    ['of integers', () => tf.cumprod(integers([2, 6], 1, 4, 1), 1)],
    ['of one element', () => tf.cumprod(floats([4, 1], 1), 1)],
  ]);
});

describe('rearranging', () => {
  agree([
    ['a diagonal', () => tf.diag(floats([4], 1))],
    ['a diagonal of a matrix of truths', () => tf.diag(booleans([2, 3], 1))],
    ['mirror images', () => tf.image.flipLeftRight(floats([2, 3, 4, 2], 1) as Tensor4D)],
    [
      'batches from space',
      () =>
        tf.spaceToBatchND(
          floats([2, 4, 6, 3], 1),
          [2, 3],
          [
            [0, 0],
            [2, 1],
          ],
        ),
    ],
    [
      'space from batches',
      () =>
        tf.batchToSpaceND(
          floats([12, 2, 3, 2], 1),
          [2, 3],
          [
            [1, 0],
            [0, 2],
          ],
        ),
    ],
    [
      'a dilated convolution, which goes through both',
      () => tf.conv2d(floats([1, 8, 8, 2], 1) as Tensor4D, floats([3, 3, 2, 4], 2) as Tensor4D, 1, 'same', 'NHWC', 2),
    ],
    ['a sum over letters', () => tf.einsum('bij,bjk->bik', floats([2, 3, 4], 1), floats([2, 4, 5], 2))],
    ['a trace of products', () => tf.einsum('ij,ij->', floats([3, 4], 1) as Tensor2D, floats([3, 4], 2) as Tensor2D)],
  ]);
});
