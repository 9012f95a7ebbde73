/** Native kernels of the onnx engine against the reference compositions on cpu: values, then gradients. */
import { expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { random } from './by-hand.ts';
import { type Case, compareEngines } from './compare.ts';

const { attention, conv2d, conv3d, gelu, layerNorm, linear, modulate, rmsNorm, rotary, silu } = engine;

const mask = (rows: number, columns: number): Tensor =>
  tf.tensor(
    Array.from({ length: rows * columns }, (_, i) => (i % columns <= i / columns ? 1 : 0)),
    [rows, columns],
    'int32',
  );
const angles = (tokens: number, half: number): Tensor => tf.mul(random([tokens, half], 99), 3);
const pads = (...p: number[]) =>
  [p.slice(0, 2), p.slice(2, 4), p.slice(4)] as [[number, number], [number, number], [number, number]];

const cases: Case[] = [
  { name: 'linear', shapes: [[2, 5, 7], [3, 7], [3]], run: (x, w, b) => linear(x!, w!, b!) },
  { name: 'linear without bias, one row', shapes: [[7], [3, 7]], run: (x, w) => linear(x!, w!, null) },
  { name: 'layerNorm', shapes: [[2, 5, 7], [7], [7]], run: (x, w, b) => layerNorm(x!, w!, b!, 1e-6) },
  { name: 'layerNorm without weights', shapes: [[2, 5, 7]], run: (x) => layerNorm(x!, null, null, 1e-6) },
  { name: 'layerNorm with weight alone', shapes: [[6, 8], [8]], run: (x, w) => layerNorm(x!, w!, null, 1e-5) },
  { name: 'rmsNorm', shapes: [[2, 5, 7], [7]], run: (x, w) => rmsNorm(x!, w!, 1e-6) },
  { name: 'rmsNorm without weight', shapes: [[3, 4, 2, 6]], run: (x) => rmsNorm(x!, null, 1e-6) },
  {
    name: 'modulate per frame',
    shapes: [
      [2, 3, 4, 5],
      [2, 3, 1, 5],
      [2, 3, 1, 5],
    ],
    run: (x, a, b) => modulate(x!, a!, b!),
  },
  { name: 'modulate per width', shapes: [[2, 4, 5], [5], [1, 1, 5]], run: (x, a, b) => modulate(x!, a!, b!) },
  { name: 'gelu tanh', shapes: [[3, 17]], run: (x) => gelu(tf.mul(x!, 4), 'tanh') },
  { name: 'gelu erf', shapes: [[3, 17]], run: (x) => gelu(tf.mul(x!, 4), 'erf') },
  { name: 'silu', shapes: [[3, 17]], run: (x) => silu(tf.mul(x!, 4)) },
  { name: 'rotary', shapes: [[2, 5, 3, 8]], run: (x) => rotary(x!, tf.cos(angles(5, 4)), tf.sin(angles(5, 4))) },
  {
    name: 'attention',
    shapes: [
      [2, 5, 3, 8],
      [2, 5, 3, 8],
      [2, 5, 3, 8],
    ],
    run: (q, k, v) => attention(q!, k!, v!),
  },
  {
    name: 'attention across, causal mask',
    shapes: [
      [2, 4, 1, 6],
      [2, 7, 1, 6],
      [2, 7, 1, 6],
    ],
    run: (q, k, v) => attention(q!, k!, v!, { mask: mask(4, 7), scale: 0.7 }),
  },
  {
    name: 'attention with wider values and one head bias for all samples',
    shapes: [
      [2, 3, 2, 4],
      [2, 5, 2, 4],
      [2, 5, 2, 6],
      [1, 2, 1, 5],
    ],
    run: (q, k, v, bias) => attention(q!, k!, v!, { bias: bias! }),
  },
  {
    name: 'attention with a mask per sample and a bias',
    shapes: [
      [2, 4, 3, 5],
      [2, 6, 3, 5],
      [2, 6, 3, 5],
      [3, 4, 6],
    ],
    run: (q, k, v, bias) => attention(q!, k!, v!, { mask: tf.reshape(mask(2, 6), [2, 1, 1, 6]), bias: bias! }),
  },
  { name: 'conv2d', shapes: [[2, 6, 5, 3], [4, 3, 3, 3], [4]], run: (x, w, b) => conv2d(x!, w!, b!, { padding: 1 }) },
  {
    name: 'conv2d with stride and asymmetric padding',
    shapes: [
      [2, 7, 6, 3],
      [5, 3, 3, 2],
    ],
    run: (x, w) => conv2d(x!, w!, null, { stride: 2, padding: [0, 1, 1, 0] }),
  },
  {
    name: 'conv2d with dilation',
    shapes: [
      [1, 7, 8, 2],
      [3, 2, 3, 3],
    ],
    run: (x, w) => conv2d(x!, w!, null, { dilation: 2, padding: [2, 1, 2, 2] }),
  },
  {
    name: 'conv2d in groups',
    shapes: [[2, 5, 4, 6], [4, 3, 3, 3], [4]],
    run: (x, w, b) => conv2d(x!, w!, b!, { groups: 2, padding: 1, stride: 2 }),
  },
  { name: 'conv2d 1x1', shapes: [[2, 3, 4, 8], [16, 8, 1, 1], [16]], run: (x, w, b) => conv2d(x!, w!, b!) },
  ...[16, 32].map((c) => ({
    name: `conv2d of ${c} channels`,
    shapes: [[16, 6, 5, c], [48 - c, c, 3, 3], [48 - c]],
    run: ((x, w, b) => conv2d(x!, w!, b!, { padding: 1 })) as Case['run'],
  })),
  {
    name: 'conv3d causal',
    shapes: [[2, 4, 5, 4, 3], [5, 3, 3, 3, 3], [5]],
    run: (x, w, b) => conv3d(x!, w!, b!, { padding: pads(2, 0, 1, 1, 1, 1) }),
  },
  {
    name: 'conv3d causal of 16 channels',
    shapes: [[2, 3, 5, 4, 16], [32, 16, 3, 3, 3], [32]],
    run: (x, w, b) => conv3d(x!, w!, b!, { padding: pads(2, 0, 1, 1, 1, 1) }),
  },
  {
    name: 'conv2d of channels that fill no block',
    shapes: [[3, 6, 5, 12], [20, 12, 3, 3], [20]],
    run: (x, w, b) => conv2d(x!, w!, b!, { padding: [1, 0, 1, 2] }),
  },
  {
    name: 'conv2d of 24 channels, stride 2',
    shapes: [[2, 7, 8, 24], [24, 24, 3, 3], [24]],
    run: (x, w, b) => conv2d(x!, w!, b!, { stride: 2, padding: [0, 1, 0, 1] }),
  },
  {
    name: 'conv2d of 16 channels, dilated',
    shapes: [
      [2, 8, 9, 16],
      [16, 16, 3, 3],
    ],
    run: (x, w) => conv2d(x!, w!, null, { dilation: 2, padding: 2 }),
  },
  {
    name: 'conv3d of 16 channels, stride 2 in time',
    shapes: [[2, 7, 3, 4, 16], [16, 16, 3, 1, 1], [16]],
    run: (x, w, b) => conv3d(x!, w!, b!, { stride: [2, 1, 1] }),
  },
  {
    name: 'conv3d of one frame',
    shapes: [[2, 1, 4, 4, 16], [16, 16, 3, 3, 3], [16]],
    run: (x, w, b) => conv3d(x!, w!, b!, { padding: pads(2, 0, 1, 1, 1, 1) }),
  },
  {
    name: 'conv3d strided',
    shapes: [[1, 5, 6, 4, 3], [4, 3, 3, 2, 2], [4]],
    run: (x, w, b) => conv3d(x!, w!, b!, { stride: [2, 2, 2], padding: pads(1, 0, 0, 0, 0, 0) }),
  },
  {
    name: 'conv3d patches',
    shapes: [[2, 2, 4, 6, 3], [7, 3, 1, 2, 2], [7]],
    run: (x, w, b) => conv3d(x!, w!, b!, { stride: [1, 2, 2] }),
  },
];

compareEngines(cases);

test('attention of many logits, whose gradient goes in parts, is that of its heads one by one', async () => {
  await engine.use('onnx');
  const [queries, keys, heads] = [1030, 1040, 2];
  const masked = (q: Tensor, k: Tensor, v: Tensor): Tensor => attention(q, k, v, { mask: mask(queries, keys) });
  const byHead = (...inputs: Tensor[]): Tensor => {
    const [q, k, v] = inputs.map((x) => tf.split(x, heads, 2)) as [Tensor[], Tensor[], Tensor[]];
    return tf.concat(
      q.map((part, i) => masked(part, k[i]!, v[i]!)),
      2,
    );
  };
  const [whole, parts] = tf.tidy(() => {
    const inputs = [queries, keys, keys].map((tokens, i) => random([2, tokens, heads, 4], i + 1));
    const dy = random([2, queries, heads, 4], 77);
    const all = (f: (...x: Tensor[]) => Tensor): Tensor[] => [f(...inputs), ...tf.grads(f)(inputs, dy)];
    const read = (tensors: Tensor[]) => tensors.map((tensor) => tensor.dataSync());
    return [read(all((q, k, v) => masked(q!, k!, v!))), read(all(byHead))] as never;
  }) as unknown as [Float32Array[], Float32Array[]];
  for (const [i, values] of whole.entries()) expect(values).toBeAllClose(parts[i]!, { atol: 1e-5, rtol: 1e-5 });
});
