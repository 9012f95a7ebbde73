import { expect, test } from 'vitest';
import { type Clip, createClip, joinClips, sliceClip } from '../../src/io/index.ts';

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

test('a slice is a clip of its own, and slices make the clip again', () => {
  const clip = joinClips([grey(0), grey(0.5), grey(1)]);
  expect(sliceClip(clip, -1)).toEqual(grey(1));
  expect(joinClips([sliceClip(clip, 0, -1), sliceClip(clip, 2)])).toEqual(clip);
  expect(sliceClip(clip, 1, 9).frames).toBe(2);
  sliceClip(clip, 0).data.fill(1);
  expect(clip.data[0]).toBe(0);
  expect(() => sliceClip(clip, 3)).toThrow('frames: wanted an integer >= 1, received 0');
});
