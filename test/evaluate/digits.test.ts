import { describe, expect, test } from 'vitest';
import { centroids, digitColour, digitMotion } from '../../src/world/digits/measure/index.ts';
import { digits } from '../../src/world/index.ts';

describe('measures on pixels agree with the labels', () => {
  const clips = Array.from({ length: 100 }, (_, index) => digits.clip(index, { split: 'test', prompts: 'all' }));

  test('direction, speed and displacement', () => {
    for (const { clip, label, motion } of clips) {
      const seen = digitMotion(clip);
      expect(seen).toMatchObject({ direction: label.direction, speed: label.speed, still: false });
      expect(seen.displacement).toBeAllClose(motion, { atol: 1e-3 });
    }
  });

  test('colour', () => {
    for (const { clip, label } of clips) expect(digitColour(clip)).toBe(label.colour);
  });

  test('colour survives dimming and noise', () => {
    for (const { clip, label } of clips) {
      const dimmed = Float32Array.from(clip.data, (value, i) => 0.6 * value + 0.05 * Math.abs(Math.sin(12.9898 * i)));
      expect(digitColour({ ...clip, data: dimmed })).toBe(label.colour);
    }
  });

  test('a still clip is still', () => {
    expect(digitMotion(digits.clip(3, { still: true }).clip)).toMatchObject({ still: true, pxPerFrame: 0 });
  });

  test('a dark clip has no centre and is still', () => {
    const dark = { data: new Float32Array(9 * 32 * 32 * 3), frames: 9, height: 32, width: 32, fps: 8 };
    expect(centroids(dark)).toEqual(new Array(9).fill(null));
    expect(digitMotion(dark).still).toBe(true);
  });
});
