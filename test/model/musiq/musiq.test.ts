/**
 * No parity fixture of MUSIQ exists; the expected numbers are those of IQA-PyTorch's own module (musiq_arch.py) with
 * the hashed weights of ../hashed-weights.ts.
 */
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { tf } from '../../../src/engine/tf.ts';
import { type MusiqConfig, musiq, musiqPresets, musiqScore } from '../../../src/model/internal.ts';
import { hashedPlaces, musiqShapes } from '../../../src/model/musiq/musiq.ts';
import { parameterCount } from '../../../src/nn/index.ts';
import { hashed } from '../hashed.ts';
import { hashedWeights } from '../hashed-weights.ts';

const small = {
  hidden_size: 24,
  mlp_dim: 40,
  num_heads: 3,
  num_layers: 2,
  spatial_pos_grid_size: 4,
  longer_side_lengths: [64, 96],
};
const spaq: MusiqConfig = { ...musiqPresets.spaq, ...small };
const ava: MusiqConfig = { ...musiqPresets.ava, ...small };

beforeAll(() => use('onnx'));

function picture(height: number, width: number) {
  const shape: [number, number, number, number] = [2, height, width, 3];
  return tf.tensor4d(
    hashed('image', shape).map((x) => 0.5 + 0.5 * x),
    shape,
  );
}

test('the published model has its number of parameters', () => {
  expect(parameterCount(musiqShapes(musiqPresets.spaq))).toBe(27_125_825);
  expect(musiqShapes(musiqPresets.spaq).size).toBe(248);
});

test.each([
  [spaq, 70, 101, [0.44158, 0.12016]],
  [spaq, 40, 33, [0.9434, 0.9154]],
  [spaq, 128, 64, [-0.77144, -0.76185]],
  [ava, 70, 101, [4.55428, 5.54902]],
] as const)('scores as the original does, case %#', async (config, height, width, expected) => {
  const weights = hashedWeights(musiqShapes(config));
  const scores = await musiqScore({ weights, config }, picture(height, width)).data();
  expect(scores).toBeAllClose(expected, { atol: 3e-5 });
  weights.dispose();
});

test('places of patches follow nearest-neighbour resizing of the table', () => {
  expect(hashedPlaces(10, 7, 12).slice(0, 13)).toEqual([0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10]);
  expect(hashedPlaces(4, 3, 5)).toEqual([0, 0, 1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10, 11]);
});

test('leaves no tensor behind and refuses what is no picture', async () => {
  const weights = hashedWeights(musiqShapes(spaq));
  const image = picture(40, 33);
  const before = tf.memory().numTensors;
  musiqScore({ weights, config: spaq }, image).dispose();
  expect(tf.memory().numTensors).toBe(before);
  expect(() => musiqScore({ weights, config: spaq }, tf.zeros([40, 33, 3]))).toThrow(/images have shape \[40,33,3\]/);
  const other = musiq.load(spaq, [['head.weight', tf.zeros([1, 24])]]);
  await expect(other).rejects.toThrow(/missing/);
});
