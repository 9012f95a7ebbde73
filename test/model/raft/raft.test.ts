import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { type Tensor, tf } from '../../../src/engine/tf.ts';
import { clipFlow } from '../../../src/evaluate/index.ts';
import { luma } from '../../../src/evaluate/internal.ts';
import { clipDynamicDegree } from '../../../src/evaluate/vbench/rules.ts';
import { createClip } from '../../../src/io/index.ts';
import { type RaftConfig, raft, raftForward, raftPresets } from '../../../src/model/internal.ts';
import { correlationPyramid, lookUp } from '../../../src/model/raft/correlation.ts';
import { upsampleBilinear, upsampleConvex } from '../../../src/model/raft/modules.ts';
import { raftEstimator, raftFramesFlow } from '../../../src/model/raft/raft.ts';
import { raftShapes } from '../../../src/model/raft/weights.ts';
import { parameterCount, random, Weights } from '../../../src/nn/index.ts';
import { hashed, hashedWeight } from '../hashed.ts';
import { tinyRaft } from './tiny.ts';

beforeAll(() => use('onnx'));

function weightsOf(config: RaftConfig): Weights {
  return Weights.from(
    [...raftShapes(config)].map(([name, shape]) => {
      const data = hashedWeight(name, shape);
      const positive = /running_var|\.1\.weight/.test(name) ? data.map((x) => 1 + Math.abs(x)) : data;
      return [name, { dtype: 'float32', shape: [...shape], data: positive }];
    }),
  );
}

function clip(frames: number, height: number, width: number) {
  const data = Float32Array.from(hashed('clip', [frames, height, width, 3]), (x) => 0.5 + 0.5 * x);
  return createClip(data, { frames, height, width, fps: 8 });
}

test.each([
  ['raft_large', 5_257_536],
  ['raft_small', 990_162],
] as const)('%s has its published number of parameters', (name, count) => {
  const shapes = [...raftShapes(raftPresets[name])].filter(([key]) => !key.includes('running_'));
  expect(parameterCount(new Map(shapes))).toBe(count);
});

describe('correlations', () => {
  test('looked up at whole places they are products of features, 0 outside', async () => {
    const first = tf.tensor4d(hashed('first', [1, 4, 6, 3]), [1, 4, 6, 3]);
    const second = tf.tensor4d(hashed('second', [1, 4, 6, 3]), [1, 4, 6, 3]);
    const [a, b] = [first.arraySync()[0]!, second.arraySync()[0]!];
    const places = tf.tensor4d(
      Array.from({ length: 24 }, (_, i) => [5 - (i % 6), Math.floor(i / 6)]).flat(),
      [1, 4, 6, 2],
    );
    const seen = lookUp(correlationPyramid(first, second, 1), places, 1).arraySync() as number[][][][];
    for (let y = 0; y < 4; y++) {
      for (let x = 0; x < 6; x++) {
        const expected = [-1, 0, 1].flatMap((dx) =>
          [-1, 0, 1].map((dy) => {
            const there = b[y + dy]?.[5 - x + dx];
            return there === undefined ? 0 : dot(a[y]![x]!, there) / Math.sqrt(3);
          }),
        );
        expect(seen[0]![y]![x]!).toBeAllClose(expected, { atol: 1e-5 });
      }
    }
  });

  test('between places they are interpolated, on each level', async () => {
    const first = tf.ones([1, 4, 4, 1]) as Tensor;
    const ramp = Float32Array.from({ length: 16 }, (_, i) => (i % 4) + 10 * Math.floor(i / 4));
    const pyramid = correlationPyramid(first, tf.tensor4d(ramp, [1, 4, 4, 1]), 2);
    const places = tf.tile(tf.tensor4d([1.25, 1.5], [1, 1, 1, 2]), [1, 4, 4, 1]);
    const [fine, coarse] = await tf.slice(lookUp(pyramid, places, 0), [0, 0, 0, 0], [1, 1, 1, 2]).data();
    // level 1 holds means of 2x2 pixels, [5.5, 7.5], [25.5, 27.5]; its place is (0.625, 0.75)
    expect([fine!, coarse!]).toBeAllClose([16.25, 21.75], { atol: 1e-5 });
  });
});

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}

describe('upsampling', () => {
  test('bilinear keeps corners and scales the values', async () => {
    const up = upsampleBilinear(tf.tensor4d([1, 0, 2, 0, 3, 0, 4, 1], [1, 2, 2, 2]));
    const values = (await up.array()) as number[][][][];
    expect(up.shape).toEqual([1, 16, 16, 2]);
    expect([values[0]![0]![0]!, values[0]![0]![15]!, values[0]![15]![15]!].flat()).toBeAllClose([8, 0, 16, 0, 32, 8]);
  });

  test('convex picks the neighbour that the mask names, for each place of the cell', async () => {
    const flow = tf.tensor4d(hashed('flow', [1, 2, 3, 2]), [1, 2, 3, 2]);
    const mask = new Float32Array(2 * 3 * 576);
    for (let cell = 0; cell < 6; cell++) {
      for (let place = 0; place < 64; place++) mask[576 * cell + 64 * (place % 9) + place] = 100;
    }
    const up = (await upsampleConvex(flow, tf.tensor4d(mask, [1, 2, 3, 576])).array()) as number[][][][];
    const coarse = flow.arraySync()[0]!;
    for (const [y, x] of [
      [0, 0],
      [5, 13],
      [10, 7],
      [15, 23],
    ] as const) {
      const neighbour = ((y % 8) * 8 + (x % 8)) % 9;
      const [row, column] = [(y >> 3) + Math.floor(neighbour / 3) - 1, (x >> 3) + (neighbour % 3) - 1];
      const expected = coarse[row]?.[column]?.map((value) => 8 * value) ?? [0, 0];
      expect(up[0]![y]![x]!).toBeAllClose(expected, { atol: 1e-4 });
    }
  });
});

test('frames of any size are padded by their border and cut again', async () => {
  const weights = weightsOf(tinyRaft);
  const [first, second] = ['first', 'second'].map((name) => {
    return tf.tensor4d(
      Float32Array.from(hashed(name, [1, 33, 42, 3]), (x) => 0.5 + 0.5 * x),
      [1, 33, 42, 3],
    );
  }) as [Tensor, Tensor];
  const flow = raftFramesFlow({ weights, config: tinyRaft }, first, second, { iterations: 2 });
  const border = (x: Tensor) => {
    const rows = tf.gather(x, tf.tensor1d([0, 0, 0, ...Array(33).keys(), 32, 32, 32, 32], 'int32'), 1);
    return tf.gather(rows, tf.tensor1d([0, 0, 0, ...Array(42).keys(), 41, 41, 41], 'int32'), 2);
  };
  const scaled = (x: Tensor) => tf.sub(tf.mul(border(x), 2), 1);
  const whole = raftForward({ weights, config: tinyRaft }, scaled(first), scaled(second), { iterations: 2 });
  const middle = tf.slice(whole, [0, 3, 3, 0], [1, 33, 42, 2]);
  expect(flow.shape).toEqual([1, 33, 42, 2]);
  expect(await flow.data()).toBeAllClose(await middle.data(), { atol: 1e-5 });
  weights.dispose();
});

test('images that do not fit are refused', () => {
  const weights = weightsOf(tinyRaft);
  const images = (height: number, width: number) => tf.zeros([1, height, width, 3]);
  expect(() => raftForward({ weights, config: tinyRaft }, images(36, 40), images(36, 40))).toThrow('multiples of 8');
  expect(() => raftForward({ weights, config: tinyRaft }, images(24, 40), images(24, 40))).toThrow('32 or more');
  expect(() => raftForward({ weights, config: tinyRaft }, images(32, 40), images(40, 32))).toThrow('[1,40,32,3]');
  expect(() => raftForward({ weights, config: tinyRaft }, images(32, 40), images(32, 40), { iterations: 0 })).toThrow(
    'iterations is 0',
  );
  weights.dispose();
});

test('a flow estimator of the evaluation, grey as colour, without leaving tensors', async () => {
  const weights = weightsOf(tinyRaft);
  const moving = clip(3, 32, 40);
  const estimate = raftEstimator({ weights, config: tinyRaft }, { iterations: 1 });
  const before = tf.memory().numTensors;
  const flows = clipFlow(moving, estimate);
  expect(flows.map(({ u, v, valid }) => [u.length, v.length, valid.length])).toEqual(Array(2).fill([1280, 1280, 1280]));
  expect(clipDynamicDegree(moving, estimate).scores.length).toBe(2);
  const grey = luma(moving, 0);
  const colour = { ...grey, data: Float32Array.from({ length: 3 * 1280 }, (_, i) => grey.data[Math.floor(i / 3)]!) };
  expect(estimate(colour, colour).u).toEqual(estimate(grey, grey).u);
  expect(() => estimate({ ...grey, data: new Float32Array(2 * 1280) }, grey)).toThrow('1 or 3 for each');
  expect(tf.memory().numTensors).toBe(before);
  weights.dispose();
});

test('the gradient with respect to both images agrees with central differences', async () => {
  const config: RaftConfig = { ...tinyRaft, encoder_block: 'residual', mask_hidden: 4 };
  const weights = weightsOf(config);
  const probe = tf.tensor(hashed('probe', [1, 32, 32, 2]), [1, 32, 32, 2]);
  const images = random.key(2).uniform([2, 32, 32, 3], -1, 1);
  const both = tf.tensor(images.data as Float32Array, [2, 32, 32, 3]);
  const total = (x: Tensor): Tensor => {
    const [first, second] = tf.split(x, 2, 0) as [Tensor, Tensor];
    return tf.sum(tf.mul(raftForward({ weights, config }, first, second, { iterations: 1 }), probe));
  };
  tf.grad(total)(both).dispose();
  const before = tf.memory().numTensors;
  const gradient = tf.grad(total)(both);
  expect(tf.memory().numTensors).toBe(before + 1);
  const squared = tf.sum(tf.square(gradient)).dataSync()[0]!;
  const step = 2e-3 / Math.sqrt(squared);
  const along = (by: number) => total(tf.add(both, tf.mul(gradient, by))).dataSync()[0]!;
  expect(Math.abs((along(step) - along(-step)) / (2 * step) - squared)).toBeLessThan(0.03 * squared);
  weights.dispose();
});

test('a checkpoint with a surplus tensor is refused by name', async () => {
  const weights = weightsOf(tinyRaft);
  await expect(raft.load(tinyRaft, [...weights.entries(), ['fnet.extra.weight', tf.zeros([1])]])).rejects.toThrow(
    'feature_encoder.extra.weight',
  );
  weights.dispose();
});
