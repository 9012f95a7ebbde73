import { expect, test } from 'vitest';
import { featureDistance, principalComponents } from '../../src/evaluate/index.ts';
import { type Clip, createClip } from '../../src/io/index.ts';
import { random } from '../../src/nn/index.ts';

/** Clips of independent noise around `level`. */
function noise(count: number, name: string, level: number = 0.5): Clip[] {
  return Array.from({ length: count }, (_, i) => {
    const values = random
      .key(name)
      .stream(i)
      .normal([2 * 4 * 4 * 3]).data as Float32Array;
    const data = Float32Array.from(values, (value) => level + 0.1 * value);
    return createClip(data, { frames: 2, height: 4, width: 4, fps: 8 });
  });
}

test('components have mean 0 and variance 1 over the reference, and no covariance', async () => {
  const reference = noise(40, 'reference');
  const extractor = principalComponents(reference, 3);
  const rows = await extractor.extract(reference);
  const product = (a: number, b: number) => rows.reduce((sum, row) => sum + row[a]! * row[b]!, 0) / (rows.length - 1);
  expect(rows.reduce((sum, row) => sum + row[0]!, 0)).toBeCloseTo(0, 4);
  expect([product(0, 0), product(1, 1), product(2, 2)]).toBeAllClose([1, 1, 1], { atol: 1e-4 });
  expect([product(0, 1), product(0, 2), product(1, 2)]).toBeAllClose([0, 0, 0], { atol: 1e-4 });
});

test('sets of one kind are near the floor, another kind is far above it', async () => {
  const reference = noise(40, 'reference');
  const extractor = principalComponents(noise(40, 'axes'), 6);
  const same = await featureDistance(noise(40, 'more'), reference, extractor);
  const other = await featureDistance(noise(40, 'other', 0.7), reference, extractor);
  expect(same.name).toBe('Frechet feature distance (6 principal components of pixels)');
  expect(same.frechet).toBeLessThan(4 * same.floor);
  expect(other.frechet).toBeGreaterThan(2 * same.frechet);
  expect(other.floor).toBe(same.floor);
  expect((await featureDistance(reference, reference, extractor)).frechet).toBeCloseTo(0, 6);
});

test('refuses what cannot be compared', async () => {
  const clips = noise(8, 'few');
  await expect(featureDistance(clips, clips, principalComponents(noise(20, 'axes'), 8))).rejects.toThrow(/more than/);
  await expect(featureDistance(clips.slice(1), clips, principalComponents(clips, 2))).rejects.toThrow(
    /7 generated and 8/,
  );
  expect(() => principalComponents(clips, 8)).toThrow(/wanted 1 to 7/);
});
