/** The reference compositions on the cpu engine against formulas written out in plain JavaScript. */
import { beforeAll, expect, test } from 'vitest';
import {
  adamwStep,
  attention,
  conv2d,
  conv3d,
  gelu,
  layerNorm,
  linear,
  modulate,
  rmsNorm,
  rotary,
  silu,
  softmaxCrossEntropy,
} from '../../src/engine/ops/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { convolutionByHand, random, sum } from './by-hand.ts';

beforeAll(async () => {
  tf.env().set('IS_NODE', false); // silences the banner of the first use in Node
  await tf.setBackend('cpu');
  await tf.ready();
});

const values = (t: Tensor): Float32Array => t.dataSync() as Float32Array;

test('linear is x Wᵀ + b over any leading axes', () => {
  const x = tf.tensor([1, 2, 3, 4, 5, 6], [1, 2, 3]);
  const weight = tf.tensor([1, 0, -1, 2, 1, 0], [2, 3]);
  expect(values(linear(x, weight, tf.tensor([10, 20])))).toBeAllClose([8, 24, 8, 33]);
  expect(linear(x, weight, null).shape).toEqual([1, 2, 2]);
});

test('linear names the argument with the wrong shape', () => {
  expect(() => linear(tf.zeros([2, 3]), tf.zeros([4, 5]), null)).toThrow(
    'linear: weight has shape [4,5], wanted [Out, 3]',
  );
  expect(() => linear(tf.zeros([2, 3]), tf.zeros([4, 3]), tf.zeros([3]))).toThrow(
    'linear: bias has shape [3], wanted [4]',
  );
});

test('layerNorm centres and scales the last axis', () => {
  const x = tf.tensor([1, 2, 3, 6], [1, 4]);
  const root = Math.sqrt(14 / 4 + 1e-6);
  expect(values(layerNorm(x, null, null, 1e-6))).toBeAllClose([-2 / root, -1 / root, 0, 3 / root]);
  const y = layerNorm(x, tf.tensor([1, 2, 3, 4]), tf.tensor([4, 3, 2, 1]), 1e-6);
  expect(values(y)).toBeAllClose([4 - 2 / root, 3 - 2 / root, 2, 1 + 12 / root]);
});

test('rmsNorm divides by the root of the mean square', () => {
  const root = Math.sqrt((1 + 4 + 4 + 16) / 4 + 1e-6);
  const y = rmsNorm(tf.tensor([1, 2, -2, 4], [1, 4]), tf.tensor([1, 1, 2, 1]), 1e-6);
  expect(values(y)).toBeAllClose([1 / root, 2 / root, -4 / root, 4 / root]);
});

test('modulate broadcasts per frame', () => {
  const x = tf.ones([1, 2, 3, 2]);
  const y = modulate(x, tf.tensor([1, 2, 3, 4], [1, 2, 1, 2]), tf.tensor([0, 1, 2, 3], [1, 2, 1, 2]));
  expect(values(y)).toBeAllClose([2, 4, 2, 4, 2, 4, 6, 8, 6, 8, 6, 8]);
  expect(() => modulate(tf.ones([2, 3]), tf.ones([2]), tf.ones([3]))).toThrow('modulate: shift has shape [2]');
});

test('gelu and silu match tabulated values', () => {
  const x = tf.tensor([-1, 0, 0.5, 2]);
  expect(values(gelu(x, 'erf'))).toBeAllClose([-0.15865525, 0, 0.34573123, 1.9544997], { atol: 1e-6 });
  expect(values(gelu(x, 'tanh'))).toBeAllClose([-0.15880801, 0, 0.345714, 1.9545977], { atol: 1e-6 });
  expect(values(silu(x))).toBeAllClose([-0.26894142, 0, 0.31122967, 1.7615942], { atol: 1e-6 });
});

test('rotary turns interleaved pairs and its gradient turns back', () => {
  const angles = [0.3, 1.1, -0.7, 2.0];
  const cos = tf.tensor(angles.map(Math.cos), [2, 2]);
  const sin = tf.tensor(angles.map(Math.sin), [2, 2]);
  const x = random([1, 2, 3, 4], 1);
  const y = values(rotary(x, cos, sin));
  const data = values(x);
  const wanted = Array.from(data, (_, i) => {
    const angle = angles[Math.floor(i / 12) * 2 + Math.floor((i % 4) / 2)] as number;
    const other = data[i ^ 1] as number;
    return (data[i] as number) * Math.cos(angle) + (i % 2 ? other : -other) * Math.sin(angle);
  });
  expect(y).toBeAllClose(wanted, { atol: 1e-6 });
  const half = tf.grad((t) => tf.mul(rotary(t, cos, sin).square().sum(), 0.5))(x);
  expect(values(half)).toBeAllClose(data, { atol: 1e-6 });
});

test('attention of one allowed key returns its value', () => {
  const [q, k, v] = [random([2, 3, 2, 4], 1), random([2, 3, 2, 4], 2), random([2, 3, 2, 4], 3)];
  expect(values(attention(q, k, v, { mask: tf.eye(3) }))).toBeAllClose(values(v), { atol: 1e-6 });
  const biased = attention(q, k, v, { bias: tf.mul(tf.sub(tf.eye(3), 1), 1e9) });
  expect(values(biased)).toBeAllClose(values(v), { atol: 1e-6 });
});

test('attention weighs values by the softmax of scaled products', () => {
  const q = tf.tensor([1, 2], [1, 1, 1, 2]);
  const k = tf.tensor([1, 0, 0, 1], [1, 2, 1, 2]);
  const v = tf.tensor([1, 0, 0, 1], [1, 2, 1, 2]);
  const p = 1 / (1 + Math.exp(Math.SQRT1_2));
  expect(values(attention(q, k, v))).toBeAllClose([p, 1 - p], { atol: 1e-6 });
  const sharp = 1 / (1 + Math.exp(3));
  expect(values(attention(q, k, v, { scale: 3 }))).toBeAllClose([sharp, 1 - sharp], { atol: 1e-6 });
});

test('attention gives masked keys no gradient', () => {
  const [q, k, v] = [random([1, 2, 1, 4], 1), random([1, 3, 1, 4], 2), random([1, 3, 1, 4], 3)];
  const mask = tf.tensor([1, 1, 0, 1, 0, 0], [2, 3], 'int32');
  const run = (...[a, b, c]: Tensor[]) =>
    attention(a as Tensor, b as Tensor, c as Tensor, { mask })
      .square()
      .sum();
  const [, dk, dv] = tf.grads(run)([q, k, v]);
  expect(values(dk as Tensor).slice(8)).toBeAllClose([0, 0, 0, 0], { atol: 0 });
  expect(values(dv as Tensor).slice(8)).toBeAllClose([0, 0, 0, 0], { atol: 0 });
});

test.each([
  { name: 'plain', x: [2, 5, 6, 4], w: [6, 4, 3, 3], options: { padding: 1 } },
  { name: 'strided, asymmetric', x: [1, 6, 7, 2], w: [3, 2, 3, 2], options: { stride: 2, padding: [0, 1, 0, 1] } },
  { name: 'dilated', x: [1, 7, 6, 2], w: [2, 2, 3, 2], options: { dilation: 2, padding: [2, 2, 1, 1] } },
  { name: 'grouped', x: [2, 4, 4, 6], w: [4, 3, 3, 3], options: { groups: 2, padding: 1 } },
] as const)('conv2d, $name, matches the sum written out', ({ x, w, options }) => {
  const [input, weight, bias] = [random([...x], 1), random([...w], 2), random([w[0]], 3)];
  const y = conv2d(input, weight, bias, options as Parameters<typeof conv2d>[3]);
  const p = 'padding' in options ? options.padding : 0;
  const [top, bottom, left, right] = typeof p === 'number' ? [p, p, p, p] : p;
  const stride = 'stride' in options ? options.stride : 1;
  const wanted = convolutionByHand(input.expandDims(1), weight.expandDims(2), bias, {
    stride: [1, stride, stride],
    padding: [
      [0, 0],
      [top, bottom],
      [left, right],
    ],
    dilation: 'dilation' in options ? options.dilation : 1,
    groups: 'groups' in options ? options.groups : 1,
  });
  expect(y.shape).toEqual(wanted.shape.filter((_, i) => i !== 1));
  expect(values(y)).toBeAllClose(wanted.data, { atol: 1e-5 });
});

test.each([
  { name: 'causal', x: [2, 4, 5, 3, 2], w: [3, 2, 3, 3, 3], stride: [1, 1, 1], pad: [2, 0, 1, 1, 1, 1] },
  { name: 'strided in time', x: [1, 5, 2, 2, 3], w: [2, 3, 3, 1, 1], stride: [2, 1, 1], pad: [0, 0, 0, 0, 0, 0] },
  { name: 'patches', x: [1, 2, 4, 6, 3], w: [5, 3, 1, 2, 2], stride: [1, 2, 2], pad: [0, 0, 0, 0, 0, 0] },
])('conv3d, $name, matches the sum written out', ({ x, w, stride, pad }) => {
  const [input, weight, bias] = [random(x, 1), random(w, 2), random([w[0] as number], 3)];
  const padding = [pad.slice(0, 2), pad.slice(2, 4), pad.slice(4)] as [
    [number, number],
    [number, number],
    [number, number],
  ];
  const geometry = { stride: stride as [number, number, number], padding };
  const y = conv3d(input, weight, bias, geometry);
  const wanted = convolutionByHand(input, weight, bias, { ...geometry, dilation: 1, groups: 1 });
  expect(y.shape).toEqual(wanted.shape);
  expect(values(y)).toBeAllClose(wanted.data, { atol: 1e-5 });
});

test('a convolution is linear: its gradients reproduce the value by the inner product', () => {
  const [x, weight, probe] = [random([1, 4, 5, 4, 2], 1), random([3, 2, 3, 3, 3], 2), random([1, 2, 3, 2, 3], 3)];
  const geometry = {
    stride: [2, 2, 2],
    padding: [
      [2, 0],
      [1, 1],
      [1, 0],
    ],
  } as Parameters<typeof conv3d>[3];
  const run = (...[a, b]: Tensor[]) => tf.mul(conv3d(a as Tensor, b as Tensor, null, geometry), probe).sum();
  const value = values(run(x, weight))[0] as number;
  const [dx, dw] = tf.grads(run)([x, weight]) as [Tensor, Tensor];
  expect([sum(dx, x), sum(dw, weight)]).toBeAllClose([value, value], { rtol: 1e-5 });
});

test('conv2d says how much padding is missing', () => {
  expect(() => conv2d(tf.zeros([1, 2, 5, 1]), tf.zeros([1, 1, 3, 3]), null)).toThrow('axis H has 2 positions');
});

test('softmaxCrossEntropy is logsumexp minus the labelled logit', () => {
  const y = softmaxCrossEntropy(tf.tensor([1, 2, 3, 0, 0, 5], [2, 3]), tf.tensor([2, 0], [2], 'int32'));
  const wanted = [Math.log(Math.exp(-2) + Math.exp(-1) + 1), Math.log(2 + Math.exp(5))];
  expect(values(y)).toBeAllClose(wanted, { atol: 1e-5 });
  expect(() => softmaxCrossEntropy(tf.zeros([1, 2]), tf.zeros([1]))).toThrow('labels are float32, wanted int32');
});

test('adamwStep names the list of the wrong length', () => {
  const lists = { params: [tf.variable(tf.zeros([1]))], grads: [], m: [], v: [] };
  const shared = { lr: 1, beta1: 0, beta2: 0, eps: 1, weightDecay: 0, step: 1 };
  expect(() => adamwStep({ ...lists, ...shared })).toThrow('grads has 0 entries, wanted one for each of the 1 params');
});
