import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import {
  accuracyByMargin,
  accuracyWithTies,
  bradleyTerry,
  bradleyTerryTies,
  calibration,
  kendall,
  pairwiseAccuracy,
  rankingLoss,
  spearman,
} from '../../src/reward/index.ts';

beforeAll(async () => {
  await engine.use('onnx');
});

describe('losses', () => {
  const loss = (d: number) => bradleyTerry(tf.tensor1d([d]), tf.tensor1d([0])).dataSync()[0]!;
  const slope = (d: number) =>
    tf
      .grad((x: Tensor) => bradleyTerry(x, tf.tensor1d([0])))(tf.tensor1d([d]))
      .dataSync()[0]!;

  test.each([
    [0, Math.LN2, -0.5],
    [1, 0.313262, -0.268941],
    [2, 0.126928, -0.119203],
    [-1, 1.313262, -0.731059],
  ])('Bradley-Terry at margin %f', (d, value, gradient) => {
    expect(loss(d)).toBeCloseTo(value, 5);
    if (d !== 0) expect(slope(d)).toBeCloseTo(gradient, 5);
  });

  test('stays finite for large margins', () => {
    expect(loss(200)).toBeCloseTo(0, 6);
    expect(loss(-200)).toBeCloseTo(200, 3);
  });

  test('a ranking of three is the mean of its pairs, ties dropped', () => {
    const value = rankingLoss(tf.tensor1d([2, 1, 0]), [1, 2, 3]).dataSync()[0]!;
    expect(value).toBeCloseTo((2 * 0.313262 + 0.126928) / 3, 5);
    const tied = rankingLoss(tf.tensor1d([2, 1, 0]), [1, 2, 2]).dataSync()[0]!;
    expect(tied).toBeCloseTo((0.313262 + 0.126928) / 2, 5);
    expect(() => rankingLoss(tf.tensor1d([1, 2]), [1, 1])).toThrow('equal ranks');
  });
});

describe('agreement', () => {
  const pair = (first: number, second: number, preferred: 1 | -1 | 0) => ({ first, second, preferred });

  test('pairwise accuracy leaves ties out and counts equal scores as wrong', () => {
    expect(pairwiseAccuracy([pair(2, 1, 1), pair(1, 2, 1), pair(1, 1, 1), pair(5, 1, 0)])).toBeCloseTo(1 / 3);
    expect(() => pairwiseAccuracy([pair(1, 2, 0)])).toThrow('without a tie');
  });

  test('accuracy with ties finds the best threshold', () => {
    const pairs = [pair(0.1, 0, 0), pair(0, 0.2, 0), pair(1, 0, 1), pair(0, 1, -1), pair(0.15, 0, -1)];
    expect(accuracyWithTies(pairs)).toEqual({ accuracy: 0.8, threshold: 0.2 });
    expect(accuracyWithTies([pair(1, 0, 1), pair(2, 0, 1)])).toEqual({ accuracy: 1, threshold: -1 });
  });

  test('rank correlations', () => {
    expect(spearman([1, 2, 3, 4], [10, 20, 30, 40])).toBeCloseTo(1);
    expect(spearman([1, 2, 3, 4], [4, 3, 2, 1])).toBeCloseTo(-1);
    expect(kendall([1, 2, 3], [1, 3, 2])).toBeCloseTo(1 / 3);
    expect(kendall([1, 2, 2, 3], [1, 2, 3, 4])).toBeCloseTo(5 / Math.sqrt(5 * 6));
    expect(spearman([1, 1, 1], [1, 2, 3])).toBe(0);
    expect(() => spearman([1], [1])).toThrow('two or more');
  });

  test('calibration compares likelihood with outcome', () => {
    const sure = Array.from({ length: 10 }, (_, i) => pair(3, 0, i < 9 ? 1 : -1));
    const [bin] = calibration(sure);
    expect(bin).toMatchObject({ count: 10, observed: 0.9 });
    expect(bin?.predicted).toBeCloseTo(0.9526, 3);
  });
});

test("VideoAlign's loss gives ties a share that shrinks as the scores part", async () => {
  const loss = (d: number, preferred: number, k?: number) =>
    bradleyTerryTies(tf.tensor1d([d]), tf.tensor1d([0]), tf.tensor1d([preferred]), k).dataSync()[0]!;
  const wins = [0, 1, Math.log(5)].map((d) => loss(d, 1));
  expect(wins).toBeAllClose([1.791759, 1.043592, Math.LN2], { atol: 1e-5 });
  const ties = [0, 1, Math.log(5)].map((d) => loss(d, 0));
  expect(ties).toBeAllClose([0.405465, 0.545971, 0.77319], { atol: 1e-5 });
  for (const d of [-2, 0.3, 4]) {
    expect([1, 0, -1].reduce((sum, preferred) => sum + Math.exp(-loss(d, preferred)), 0)).toBeCloseTo(1, 5);
  }
  expect(loss(200, -1)).toBeCloseTo(200 + Math.log(5), 3);
  const slope = tf.grad((x: Tensor) => bradleyTerryTies(x, tf.zeros([3]), tf.tensor1d([1, 0, -1])))(tf.zeros([3]));
  expect(await slope.data()).toBeAllClose([-5 / 18, 0, 5 / 18], { atol: 1e-5 });
  expect(() => loss(0, 0, 1)).toThrow('above 1');
});

test('scores that are no numbers are refused, not counted', () => {
  const pairs = [
    { first: 1, second: 0, preferred: 1 as const },
    { first: Number.NaN, second: 0, preferred: 1 as const },
  ];
  expect(() => pairwiseAccuracy(pairs)).toThrow('pair 1 has scores NaN and 0');
  expect(() => accuracyWithTies(pairs)).toThrow('pair 1 has scores NaN and 0');
});

test('accuracy by margin: pairs that the scores hardly tell apart stand alone', () => {
  const pair = (margin: number, preferred: 1 | -1 | 0) => ({ first: margin, second: 0, preferred });
  const pairs = [pair(3, 1), pair(0.1, -1), pair(0.2, 1), pair(4, 1), pair(9, 0)];
  const [close, far] = accuracyByMargin(pairs, 2);
  expect(close).toEqual({ margin: expect.closeTo(0.15, 9), accuracy: 0.5, count: 2 });
  expect(far).toEqual({ margin: 3.5, accuracy: 1, count: 2 });
  expect(accuracyByMargin([pair(1, 0)])).toEqual([]);
});
