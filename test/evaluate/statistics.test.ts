import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bootstrap,
  holm,
  normalCdf,
  normalQuantile,
  pairedDifference,
  percentile,
  promptMean,
  resamples,
  wilson,
} from '../../src/evaluate/statistics.ts';
import { random } from '../../src/nn/index.ts';

const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: readonly number[]): number => {
  const centre = average(values);
  return average(values.map((value) => (value - centre) ** 2));
};

const sample = [0.1, 0.4, 0.35, 0.8, 0.55, 0.2, 0.9, 0.6];

describe('bootstrap', () => {
  test('known sample: mean .4875, interval near [.31, .66]', () => {
    const interval = bootstrap(
      sample.map((value) => [value]),
      { kind: 'percentile' },
    );
    expect(interval.estimate).toBeCloseTo(0.4875, 10);
    expect([interval.low, interval.high]).toBeAllClose([0.31, 0.66], { atol: 0.025 });
  });

  test('the same seed gives the same interval, another seed another', () => {
    const scores = sample.map((value) => [Math.sin(9 * value), value ** 3]);
    expect(bootstrap(scores, { seed: 1 })).toEqual(bootstrap(scores, { seed: 1 }));
    expect(bootstrap(scores, { seed: 1 }).low).not.toBe(bootstrap(scores, { seed: 2 }).low);
  });

  test('prompts, not single clips, set the width: more seeds of the same prompts do not narrow it', () => {
    const one = bootstrap(
      sample.map((value) => [value]),
      { kind: 'percentile' },
    );
    const many = bootstrap(
      sample.map((value) => new Array<number>(50).fill(value)),
      { kind: 'percentile' },
    );
    expect(many.high - many.low).toBeGreaterThan(0.8 * (one.high - one.low));
  });

  test('the interval holds the truth about as often as it says', () => {
    let hits = 0;
    for (let trial = 0; trial < 200; trial++) {
      const draws = random.key(7).stream(trial).normal([30]).data;
      const { low, high } = bootstrap(
        [...draws].map((value) => [value]),
        { resamples: 300, seed: trial },
      );
      if (low <= 0 && high >= 0) hits++;
    }
    expect(hits / 200).toBeGreaterThan(0.88);
    expect(hits / 200).toBeLessThan(0.99);
  });

  test('draws spread as their theory says: variance between prompts plus within them, over the prompts', () => {
    const scores = [
      [1, 3, 8],
      [2, 2, 2],
      [-4, 0, 7],
      [5, 6, 10],
    ];
    const between = variance(scores.map(average)) / scores.length;
    const within = average(scores.map((row) => variance(row) / row.length)) / scores.length;
    const means = Array.from(resamples(scores, 20_000, 3), promptMean);
    expect(average(means)).toBeCloseTo(promptMean(scores), 1);
    expect(variance(means) / (between + within)).toBeCloseTo(1, 1);
  });

  test('three prompts: percentiles are those of all 27 resamples, equally likely', () => {
    const values = [1, 4, 16];
    const all = values.flatMap((a) => values.flatMap((b) => values.map((c) => (a + b + c) / 3))).sort((a, b) => a - b);
    const got = bootstrap(
      values.map((value) => [value]),
      { kind: 'percentile', level: 0.8, resamples: 20_000 },
    );
    // 10 % and 90 % lie inside runs of equal resamples, so that they are exact
    expect([got.low, got.high]).toBeAllClose([percentile(all, 0.1), percentile(all, 0.9)], { atol: 1e-12 });
  });

  test('few prompts use the corrected kind, which shifts a skewed interval', () => {
    const skewed = [0, 0, 0, 0, 0.1, 0.1, 0.2, 3].map((value) => [value]);
    const corrected = bootstrap(skewed);
    expect(corrected.kind).toBe('bca');
    expect(corrected.high).toBeGreaterThan(bootstrap(skewed, { kind: 'percentile' }).high);
  });

  test('an estimate lies inside its interval and constants have no width', () => {
    const rows = fc.array(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 4 }), {
      minLength: 2,
      maxLength: 8,
    });
    fc.assert(
      fc.property(rows, (scores) => {
        const { low, high } = bootstrap(scores, { resamples: 200, kind: 'percentile' });
        expect(low).toBeLessThanOrEqual(high);
        expect(low).toBeGreaterThanOrEqual(Math.min(...scores.flat()));
        expect(high).toBeLessThanOrEqual(Math.max(...scores.flat()));
      }),
      { numRuns: 30 },
    );
    const flat = bootstrap([[2], [2], [2]]);
    expect([flat.low, flat.estimate, flat.high]).toEqual([2, 2, 2]);
  });

  test('empty tables are refused', () => {
    expect(() => bootstrap([])).toThrow('row per prompt');
    expect(() => bootstrap([[1], []])).toThrow('prompt 1');
  });
});

test('Wilson: 50 of 72 is [.580, .789]', () => {
  const { low, high } = wilson(50, 72);
  expect([low, high]).toBeAllClose([0.58, 0.789], { atol: 5e-4 });
  expect(wilson(0, 10).low).toBeCloseTo(0, 10);
  expect(() => wilson(3, 0)).toThrow('3 of 0');
});

describe('paired difference', () => {
  const noisy = (shift: number): number[][] =>
    Array.from({ length: 20 }, (_, i) => {
      const base = 10 * Math.sin(i);
      return [...random.key(3).stream(i).normal([2]).data].map((value) => base + shift + 0.1 * value * shift);
    });

  test('finds a small shift under a large spread between prompts', () => {
    const result = pairedDifference(noisy(0.5), noisy(0));
    expect(result.estimate).toBeCloseTo(0.5, 1);
    expect(result.pValue).toBeLessThan(0.01);
    expect(result.positive).toBe(1);
    expect(result.low).toBeGreaterThan(0.4);
  });

  test('no difference is not significant', () => {
    const swing = Array.from({ length: 20 }, (_, i) => [i % 2 === 0 ? 1 : -1]);
    const zero = swing.map(() => [0]);
    expect(pairedDifference(swing, zero).pValue).toBeGreaterThan(0.5);
  });

  test('the p-value is the share of all sign patterns that are as far from 0', () => {
    const means = [0.9, 0.4, -0.3, 0.8, 0.1, 0.5];
    const observed = Math.abs(means.reduce((sum, value) => sum + value, 0));
    const patterns = Array.from({ length: 2 ** means.length }, (_, bits) =>
      Math.abs(means.reduce((sum, value, i) => sum + ((bits >> i) & 1 ? value : -value), 0)),
    );
    const exact = patterns.filter((sum) => sum >= observed - 1e-12).length / patterns.length;
    const first = means.map((value) => [value + 1, value - 1]);
    const result = pairedDifference(first, [...means.map(() => [1, -1])], { resamples: 20_000 });
    expect(exact).toBeCloseTo(0.09375, 12);
    expect(result.pValue).toBeCloseTo(exact, 2);
    expect(result.estimate).toBeCloseTo(0.4, 12);
  });

  test('unequal tables are refused', () => {
    expect(() => pairedDifference([[1]], [[1], [2]])).toThrow('same prompts');
    expect(() => pairedDifference([[1, 2]], [[1]])).toThrow('same seeds');
  });
});

test('Holm: step-down, monotone, capped', () => {
  expect(holm([0.01, 0.04, 0.03])).toBeAllClose([0.03, 0.06, 0.06], { atol: 1e-12 });
  expect(holm([0.9, 0.8])).toEqual([1, 1]);
  // 4 x .001, 3 x .011, 2 x .02, then .02 x 1 raised to the one before
  expect(holm([0.02, 0.001, 0.02, 0.011])).toBeAllClose([0.04, 0.004, 0.04, 0.033], { atol: 1e-12 });
  expect(holm([])).toEqual([]);
});

test('normal distribution and percentile', () => {
  expect(normalCdf(1.959964)).toBeCloseTo(0.975, 6);
  expect(normalQuantile(0.975)).toBeCloseTo(1.959964, 4);
  expect(normalCdf(0)).toBeCloseTo(0.5, 6);
  expect(percentile([0, 10], 0.25)).toBe(2.5);
  expect(percentile([1, 2, 3], 1)).toBe(3);
});
