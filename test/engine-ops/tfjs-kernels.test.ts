/** TensorFlow.js's convolutions, pooling and resizing on the onnx engine against cpu. */
import { expect, test } from 'vitest';
import { type Tensor, type Tensor3D, type Tensor4D, type Tensor5D, tf } from '../../src/engine/tf.ts';
import { random, sum } from './by-hand.ts';
import { type Case, compareEngines } from './compare.ts';

const four = (x: Tensor | undefined): Tensor4D => x as Tensor4D;
const five = (x: Tensor | undefined): Tensor5D => x as Tensor5D;

const cases: Case[] = [
  {
    name: 'conv2d same',
    shapes: [
      [2, 7, 6, 3],
      [3, 3, 3, 4],
    ],
    run: (x, w) => tf.conv2d(four(x), four(w), 1, 'same'),
  },
  {
    name: 'conv2d stride 2',
    shapes: [
      [2, 7, 6, 3],
      [3, 2, 3, 4],
    ],
    run: (x, w) => tf.conv2d(four(x), four(w), 2, 'same'),
  },
  {
    name: 'conv2d of 16 channels',
    shapes: [
      [2, 5, 6, 16],
      [3, 3, 16, 8],
    ],
    run: (x, w) => tf.conv2d(four(x), four(w), 1, 'same'),
  },
  {
    name: 'conv2d without batch',
    shapes: [
      [7, 6, 3],
      [3, 3, 3, 4],
    ],
    run: (x, w) => tf.conv2d(x as Tensor3D, four(w), 1, 1),
  },
  {
    name: 'conv2dTranspose',
    shapes: [
      [1, 4, 3, 2],
      [3, 3, 5, 2],
    ],
    run: (x, w) => tf.conv2dTranspose(four(x), four(w), [1, 8, 6, 5], 2, 'same'),
  },
  {
    name: 'depthwiseConv2d',
    shapes: [
      [2, 6, 5, 3],
      [3, 3, 3, 2],
    ],
    run: (x, w) => tf.depthwiseConv2d(four(x), four(w), 1, 'same'),
  },
  {
    name: 'conv3d',
    shapes: [
      [1, 4, 5, 4, 2],
      [2, 3, 3, 2, 3],
    ],
    run: (x, w) => tf.conv3d(five(x), five(w), 1, 'same'),
  },
  {
    name: 'conv3d stride 2',
    shapes: [
      [1, 5, 5, 4, 2],
      [2, 3, 2, 2, 3],
    ],
    run: (x, w) => tf.conv3d(five(x), five(w), 2, 'valid'),
  },
  { name: 'maxPool', shapes: [[2, 6, 7, 3]], run: (x) => tf.maxPool(four(x), 2, 2, 'valid') },
  { name: 'maxPool overlapping', shapes: [[2, 6, 7, 3]], run: (x) => tf.maxPool(four(x), 3, 2, 'same') },
  { name: 'avgPool', shapes: [[2, 6, 8, 3]], run: (x) => tf.avgPool(four(x), 2, 2, 'valid') },
  { name: 'avgPool overlapping', shapes: [[1, 5, 6, 2]], run: (x) => tf.avgPool(four(x), 3, 1, 'valid') },
  { name: 'maxPool3d', shapes: [[1, 4, 6, 4, 2]], run: (x) => tf.maxPool3d(five(x), 2, 2, 'valid') },
  { name: 'avgPool3d', shapes: [[1, 4, 6, 4, 2]], run: (x) => tf.avgPool3d(five(x), 2, 2, 'valid') },
  { name: 'resizeBilinear', shapes: [[2, 4, 4, 3]], run: (x) => tf.image.resizeBilinear(four(x), [7, 7]) },
  {
    name: 'resizeBilinear to corners',
    shapes: [[2, 4, 4, 3]],
    run: (x) => tf.image.resizeBilinear(four(x), [7, 7], true),
  },
];

compareEngines(cases);

/** Where cpu's own gradient is wrong: a linear function f with gradient g of Σ f(x) p satisfies Σ g x = Σ f(x) p. */
test.each([
  { name: 'avgPool over padding', run: (x: Tensor) => tf.avgPool(four(x), 3, 1, 'same') },
  { name: 'resizeNearestNeighbor', run: (x: Tensor) => tf.image.resizeNearestNeighbor(four(x), [3, 4]) },
  { name: 'resizeNearestNeighbor, not square', run: (x: Tensor) => tf.image.resizeNearestNeighbor(four(x), [8, 10]) },
  { name: 'resizeBilinear, not square', run: (x: Tensor) => tf.image.resizeBilinear(four(x), [3, 9]) },
])('$name: the gradient is the transpose', ({ run }) => {
  const x = random([2, 4, 5, 3], 1);
  const probe = random(run(x).shape, 2);
  const dx = tf.grad((t) => tf.sum(tf.mul(run(t), probe)))(x);
  expect([sum(dx, x)]).toBeAllClose([sum(run(x), probe)], { atol: 1e-4 });
});
