import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digits } from '../../src/world/index.ts';

const { clip, caption, parseCaption, labels, SIZE, FRAMES } = digits;
const PIXELS = SIZE * SIZE * 3;

describe('exemplars', () => {
  test('each digit has both splits and they never share a picture', () => {
    for (let digit = 0; digit < 10; digit++) {
      const [train, held] = [digits.exemplarCount(digit, 'train'), digits.exemplarCount(digit, 'test')];
      expect(train).toBeLessThanOrEqual(900);
      expect(held).toBeGreaterThan(40);
      expect(digits.exemplar(digit, train - 1, 'train')).not.toEqual(digits.exemplar(digit, 0, 'test'));
    }
  });

  test('values are 14x14 in [0, 1] and lit', () => {
    const image = digits.exemplar(8, 3, 'test');
    expect(image).toHaveLength(14 * 14);
    expect(Math.min(...image)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...image)).toBeGreaterThan(0.7);
    expect(Math.max(...image)).toBeLessThanOrEqual(1);
  });

  test('a place outside the split is refused by name', () => {
    expect(() => digits.exemplar(3, 5000, 'train')).toThrow('exemplars of digit 3 (train), received 5000');
    expect(() => digits.exemplarCount(10, 'train')).toThrow('digit: wanted an integer from 0 to 9, received 10');
  });
});

describe('clip', () => {
  test('same seed and index, same clip; another index or seed, another clip', () => {
    expect(clip(7, { seed: 3 }).clip.data).toEqual(clip(7, { seed: 3 }).clip.data);
    expect(clip(7, { seed: 3 }).clip.data).not.toEqual(clip(8, { seed: 3 }).clip.data);
    expect(clip(7, { seed: 3 }).clip.data).not.toEqual(clip(7, { seed: 4 }).clip.data);
  });

  test('the digit never leaves: every frame carries the same light, at the stated centre', () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.constantFrom('train' as const, 'test' as const), (index, split) => {
        const { clip: video, centroids, motion } = clip(index, { split });
        const seen = Array.from({ length: FRAMES }, (_, f) =>
          centre(video.data.subarray(f * PIXELS, (f + 1) * PIXELS)),
        );
        for (const [f, { mass, x, y }] of seen.entries()) {
          expect(mass).toBeCloseTo(seen[0]!.mass, 2);
          expect([x, y]).toBeAllClose(centroids[f]!, { atol: 1e-3 });
          if (f > 0) expect([x - seen[f - 1]!.x, y - seen[f - 1]!.y]).toBeAllClose(motion, { atol: 1e-3 });
        }
      }),
      { numRuns: 60 },
    );
  });

  test('motion follows the label; a still clip keeps its caption', () => {
    const label = { digit: 3, colour: 'red', direction: 'up', speed: 'quickly' } as const;
    expect(clip(0, { label }).motion).toEqual([0, -2]);
    const still = clip(0, { label, still: true });
    expect(still.motion).toEqual([0, 0]);
    expect(still.caption).toBe('a red digit three moves up quickly');
    expect(still.clip.data.subarray(0, PIXELS)).toEqual(still.clip.data.subarray(8 * PIXELS));
  });

  test('training never shows a held-out label, and the dial on exemplars holds', () => {
    for (let index = 0; index < 300; index++) {
      const item = clip(index, { exemplars: 5 });
      expect(digits.isHeldOut(item.label)).toBe(false);
      expect(item.exemplar).toBeLessThan(5);
    }
  });

  test('bad dials are refused', () => {
    expect(() => clip(-1)).toThrow('index: wanted an integer from 0, received -1');
    expect(() => clip(0, { exemplars: 0 })).toThrow('exemplars: wanted a positive integer, received 0');
  });
});

describe('captions', () => {
  test('parsing inverts writing for all 480 labels', () => {
    for (const label of labels()) expect(parseCaption(caption(label))).toEqual(label);
    expect(() => parseCaption('a pink digit three moves left slowly')).toThrow('wanted the form');
  });

  test('48 of 480 labels are held out, spread over all words', () => {
    const held = labels('held-out');
    expect(held).toHaveLength(48);
    expect(labels('seen')).toHaveLength(432);
    for (const pick of ['digit', 'colour', 'direction', 'speed'] as const) {
      const counts = new Map<unknown, number>();
      for (const label of held) counts.set(label[pick], (counts.get(label[pick]) ?? 0) + 1);
      const expected = 48 / new Set(labels().map((label) => label[pick])).size;
      for (const count of counts.values()) expect(Math.abs(count - expected)).toBeLessThanOrEqual(expected * 0.7);
      expect(counts.size).toBe(new Set(labels().map((label) => label[pick])).size);
    }
  });
});

function centre(frame: Float32Array) {
  let [mass, x, y] = [0, 0, 0];
  for (let i = 0; i < SIZE * SIZE; i++) {
    const light = frame[3 * i]! + frame[3 * i + 1]! + frame[3 * i + 2]!;
    mass += light;
    x += light * (i % SIZE);
    y += light * Math.floor(i / SIZE);
  }
  return { mass, x: x / mass, y: y / mass };
}
