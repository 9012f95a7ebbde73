import { beforeAll, expect, test } from 'vitest';
import { use } from '../../../src/engine/index.ts';
import { type Tensor, tf } from '../../../src/engine/tf.ts';
import { patchify, smartFrameCount, smartResize, spreadFrames } from '../../../src/model/internal.ts';
import { patchPlaces } from '../../../src/model/qwen2vl/positions.ts';
import { qwen2VlPresets } from '../../../src/model/qwen2vl/weights.ts';
import { random } from '../../../src/nn/index.ts';

const sizes = { ...qwen2VlPresets['qwen2-vl-2b'].vision_config, patch_size: 3 };

beforeAll(async () => {
  await use('onnx');
});

test('frames are spread as the reference does, half to even', () => {
  expect(smartFrameCount(81, 16)).toBe(10);
  expect(spreadFrames(81, 10)).toEqual([0, 9, 18, 27, 36, 44, 53, 62, 71, 80]);
  expect(spreadFrames(17, smartFrameCount(17, 24))).toEqual([0, 5, 11, 16]);
  expect(spreadFrames(5, 1)).toEqual([0]);
});

test('sizes stay inside of the bounds', () => {
  expect(smartResize(480, 832)).toEqual([336, 588]);
  expect(smartResize(64, 64)).toEqual([336, 336]);
  expect(() => smartResize(10, 3000)).toThrow('200 times');
  expect(() => smartFrameCount(1, 16)).toThrow('1 frames');
  expect(() => smartFrameCount(9, 16, { nframes: 0 })).toThrow('raise nframes');
});

test('places run through merge squares', () => {
  const places = patchPlaces([1, 2, 4], 2);
  expect(places.map(([row, column]) => `${row}${column}`)).toEqual(['00', '01', '10', '11', '02', '03', '12', '13']);
  expect(() => patchPlaces([1, 3, 4], 2)).toThrow('multiples of 2');
});

test('each patch holds its pixels as channel, frame, row, column', async () => {
  const shape = [2, 2, 12, 18, 3] as const;
  const videos = tf.tensor(random.key(1).uniform([...shape]).data, [...shape]);
  const { pixels, grids } = patchify(videos, sizes);
  expect(grids).toEqual([
    [1, 4, 6],
    [1, 4, 6],
  ]);
  const [rows, values] = [await pixels.data(), await videos.data()];
  const places = patchPlaces(grids[1]!, 2);
  const [patch, channel, frame, y, x] = [13, 2, 1, 2, 0] as const;
  const [row, column] = [places[patch]![0] * 3 + y, places[patch]![1] * 3 + x];
  const value = values[(((1 * 2 + frame) * 12 + row) * 18 + column) * 3 + channel]!;
  const got = rows[(places.length + patch) * 54 + ((channel * 2 + frame) * 3 + y) * 3 + x]!;
  expect(got).toBeCloseTo((value - 0.40821073) / 0.27577711, 5);
});

test('an odd number of frames is filled up with the last one, whose pixels then count twice', async () => {
  const videos = tf.zeros([1, 3, 6, 6, 3]);
  expect(patchify(videos, sizes).grids).toEqual([[2, 2, 2]]);
  const slope = tf.grad((x: Tensor) => tf.sum(patchify(x, sizes).pixels))(videos);
  const byFrame = await tf.mean(slope, [0, 2, 3, 4]).data();
  expect([byFrame[1]! / byFrame[0]!, byFrame[2]! / byFrame[0]!]).toBeAllClose([1, 2], { atol: 1e-5 });
});

test('sizes that do not fit are refused', () => {
  expect(() => patchify(tf.zeros([1, 2, 9, 6, 3]), sizes)).toThrow('multiples of 6');
});
