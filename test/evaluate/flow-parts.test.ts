/** The fast parts of the flow against the plain ones, bit for bit. */
import { expect, test } from 'vitest';
import { median5 } from '../../src/evaluate/flow/median.ts';
import { blur, gaussianTaps } from '../../src/evaluate/flow/plane.ts';
import { PLANES, windowRoom, windowSums } from '../../src/evaluate/flow/window-sums.ts';
import { clipDynamicDegree } from '../../src/evaluate/vbench/rules.ts';
import { random } from '../../src/nn/index.ts';
import { sprites } from '../../src/world/index.ts';

const sizes = [
  [1, 1],
  [2, 7],
  [5, 4],
  [16, 17],
  [33, 20],
] as const;

test.each(sizes)('medians of %i x %i pixels are those of sorting', (height, width) => {
  const smooth = Float32Array.from(random.key(3).normal([height * width]).data, (value) => Math.round(4 * value) / 4);
  const plane = { data: smooth, height, width };
  const wanted = smooth.map((_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    const near = Array.from({ length: 25 }, (_, k) => {
      const [row, column] = [y + Math.floor(k / 5) - 2, x + (k % 5) - 2];
      return smooth[Math.min(Math.max(row, 0), height - 1) * width + Math.min(Math.max(column, 0), width - 1)]!;
    });
    return near.sort((a, b) => a - b)[12]!;
  });
  expect([...median5(plane).data].map((value) => value + 0)).toEqual([...wanted].map((value) => value + 0));
});

test.each(sizes)('window sums over %i x %i pixels are those of filtering each plane', (height, width) => {
  const taps = gaussianTaps(2.5, 8);
  const planes = random.key(4).normal([height * width * PLANES]).data;
  const sums = windowSums(planes, windowRoom({ height, width }), taps);
  for (let c = 0; c < PLANES; c++) {
    const one = (of: Float32Array): Float32Array => of.filter((_, i) => i % PLANES === c);
    expect(one(sums)).toEqual(blur({ data: one(planes), height, width }, taps).data);
  }
});

test('the degree of motion of clips whose motion is known is that of the truth, but for one near the bound', () => {
  const world = sprites.spriteWorld();
  const agreed = Array.from({ length: 24 }, (_, index) => {
    const { clip, truth } = world.clip(index, { seed: 21 });
    const { moving, needed, threshold } = clipDynamicDegree(clip);
    const steps = truth.path.slice(1).map(([x, y], i) => Math.hypot(x - truth.path[i]![0], y - truth.path[i]![1]));
    return moving === steps.filter((step) => step > threshold).length >= needed;
  });
  expect(agreed.flatMap((agrees, index) => (agrees ? [] : [index]))).toEqual([3]);
});
