import { expect, test } from 'vitest';
import { type Clip, createClip, joinClips } from '../../src/io/index.ts';

function grey(value: number, size: Partial<Omit<Clip, 'data'>> = {}): Clip {
  const { frames = 1, height = 2, width = 4, fps = 16 } = size;
  return createClip(new Float32Array(frames * height * width * 3).fill(value), { frames, height, width, fps });
}

test('pieces of different lengths become one clip', () => {
  const clip = joinClips([grey(0), grey(0.75, { frames: 2, fps: 8 })]);
  expect(clip).toMatchObject({ frames: 3, height: 2, width: 4, fps: 16 });
  expect(Array.from(clip.data)).toEqual([...Array(24).fill(0), ...Array(48).fill(0.75)]);
});

test('none, and pieces of another size, are refused', () => {
  expect(() => joinClips([])).toThrow('clips: wanted at least one, received none');
  expect(() => joinClips([grey(0), grey(0, { width: 3 })])).toThrow('clips: wanted 4x2 each, received 3x2');
});
