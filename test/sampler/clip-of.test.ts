import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { clipOf } from '../../src/sampler/index.ts';

beforeAll(async () => {
  await use('cpu');
});

async function* pieces(...all: [shape: number[], value: number][]): AsyncGenerator<Tensor> {
  for (const [shape, value] of all) yield tf.fill(shape, value);
}

test('pieces of different lengths become one clip in [0, 1], and are disposed of', async () => {
  const before = tf.memory().numTensors;
  const counts: number[] = [];
  const given = pieces([[1, 1, 2, 4, 3], -1], [[1, 2, 2, 4, 3], 0.5]);
  const clip = await clipOf(given, { onFrames: (frames) => counts.push(frames) });
  expect(clip).toMatchObject({ frames: 3, height: 2, width: 4, fps: 16 });
  expect(Array.from(clip.data)).toEqual([...Array(24).fill(0), ...Array(48).fill(0.75)]);
  expect(counts).toEqual([1, 3]);
  expect(tf.memory().numTensors).toBe(before);
});

test.each([
  ['none', [], 'at least one'],
  [
    'another size later on',
    [
      [1, 1, 2, 4, 3],
      [1, 1, 2, 2, 3],
    ],
    'wanted [1, f, 2, 4, 3], received [1,1,2,2,3]',
  ],
  ['several videos', [[2, 1, 2, 4, 3]], 'received [2,1,2,4,3]'],
  ['latents', [[1, 1, 2, 4, 16]], 'received [1,1,2,4,16]'],
] as [string, number[][], string][])('pieces are refused: %s', async (_, shapes, message) => {
  const before = tf.memory().numTensors;
  const given = pieces(...shapes.map((shape): [number[], number] => [shape, 0]));
  await expect(clipOf(given, { fps: 8 })).rejects.toThrow(message);
  expect(tf.memory().numTensors).toBe(before);
});
