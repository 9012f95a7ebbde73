import { expect, test } from 'vitest';
import {
  frechetDistance,
  kernelDistance,
  mapEigenvalues,
  moments,
  multiply,
  symmetricEigen,
} from '../../src/evaluate/distance/frechet.ts';
import { random } from '../../src/nn/index.ts';

const gaussian = (mean: number[], covariance: number[]) => ({
  mean: Float64Array.from(mean),
  covariance: Float64Array.from(covariance),
});

test('Frechet distance of known normals', () => {
  expect(frechetDistance(gaussian([0, 0], [1, 0, 0, 4]), gaussian([1, 2], [4, 0, 0, 1]))).toBeCloseTo(7, 10);
  expect(frechetDistance(gaussian([0, 0], [2, 1, 1, 2]), gaussian([0, 0], [1, 0.5, 0.5, 3]))).toBeCloseTo(0.32027, 6);
});

test('the distance of a set to itself is 0 and it is symmetric', () => {
  const rows = (seed: number) => {
    const values = random.key(seed).normal([40, 6]).data;
    return Array.from({ length: 40 }, (_, i) => values.subarray(6 * i, 6 * i + 6));
  };
  const [a, b] = [moments(rows(1)), moments(rows(2))];
  expect(frechetDistance(a, a)).toBeCloseTo(0, 8);
  expect(frechetDistance(a, b)).toBeCloseTo(frechetDistance(b, a), 8);
  expect(() => moments([[1]])).toThrow('two or more');
});

test('with rank-deficient covariances it stays finite', () => {
  const few = moments([
    [1, 2, 3],
    [2, 4, 7],
  ]);
  expect(frechetDistance(few, few)).toBeCloseTo(0, 6);
});

test('kernel distance of known sets may be negative', () => {
  const [x, y] = [
    [
      [1, 0],
      [0, 1],
    ],
    [
      [1, 1],
      [0, 0],
    ],
  ] as const;
  expect(kernelDistance(x, y)).toBeCloseTo(-2.375, 10);
});

test('eigendecomposition rebuilds its matrix', () => {
  const n = 12;
  const b = Float64Array.from(random.key(3).normal([n, n]).data);
  const symmetric = b.map((value, i) => value + b[(i % n) * n + Math.floor(i / n)]!);
  const eigen = symmetricEigen(symmetric, n);
  expect(mapEigenvalues(eigen, (value) => value)).toBeAllClose(symmetric, { atol: 1e-10 });
  const product = multiply(
    eigen.vectors,
    mapEigenvalues({ ...eigen, values: eigen.values.fill(1) }, (v) => v),
    n,
  );
  expect(product).toBeAllClose(eigen.vectors, { atol: 1e-10 });
});
