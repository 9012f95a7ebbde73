/** Distances of sets of features, and the eigenvalues of symmetric matrices that they rest on. */

/** Mean and covariance of a set of features. */
export interface Moments {
  /** [D] */
  mean: Float64Array;
  /** [D, D], with n - 1 in the denominator */
  covariance: Float64Array;
}

/** Moments of features, one row of D numbers per clip. Throws with fewer than two rows. */
export function moments(features: readonly ArrayLike<number>[]): Moments {
  const [first] = features;
  if (first === undefined || features.length < 2) {
    throw new RangeError(`moments received ${features.length} rows of features; wanted two or more`);
  }
  const width = first.length;
  const mean = new Float64Array(width);
  for (const row of features) for (let i = 0; i < width; i++) mean[i]! += row[i]! / features.length;
  const covariance = new Float64Array(width * width);
  for (const row of features) {
    for (let i = 0; i < width; i++) {
      const factor = (row[i]! - mean[i]!) / (features.length - 1);
      for (let j = 0; j < width; j++) covariance[i * width + j]! += factor * (row[j]! - mean[j]!);
    }
  }
  return { mean, covariance };
}

/**
 * Frechet distance of two normal distributions: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1^.5 S2 S1^.5)^.5), by symmetric
 * eigendecompositions with eigenvalues clipped at 0. Its bias falls as 1/n: compare only sets of one size n > D, beside
 * the distance of two halves of the real set. Say which encoder the features are of; "FVD" means I3D.
 */
export function frechetDistance(a: Moments, b: Moments): number {
  const n = a.mean.length;
  if (b.mean.length !== n) throw new RangeError(`features have ${n} and ${b.mean.length} values; wanted equal lengths`);
  const root = mapEigenvalues(symmetricEigen(a.covariance, n), (value) => Math.sqrt(Math.max(0, value)));
  const middle = multiply(multiply(root, b.covariance, n), root, n);
  const symmetric = middle.map((value, i) => (value + middle[(i % n) * n + Math.floor(i / n)]!) / 2);
  const cross = symmetricEigen(symmetric, n).values.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
  let distance = -2 * cross;
  for (let i = 0; i < n; i++) {
    distance += (a.mean[i]! - b.mean[i]!) ** 2 + a.covariance[i * (n + 1)]! + b.covariance[i * (n + 1)]!;
  }
  return distance;
}

/** Unbiased squared distance by the kernel (x.y / D + 1)^3, which may be negative. Source: Binkowski et al. 2018. */
export function kernelDistance(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number {
  if (a.length < 2 || b.length < 2)
    throw new RangeError('kernelDistance: wanted two rows of features or more on each side');
  return within(a) + within(b) - 2 * between(a, b);
}

function kernel(x: ArrayLike<number>, y: ArrayLike<number>): number {
  return (dot(x, y) / x.length + 1) ** 3;
}

export function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function within(rows: readonly ArrayLike<number>[]): number {
  let sum = 0;
  for (const [i, x] of rows.entries()) for (const y of rows.slice(i + 1)) sum += 2 * kernel(x, y);
  return sum / (rows.length * (rows.length - 1));
}

function between(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number {
  let sum = 0;
  for (const x of a) for (const y of b) sum += kernel(x, y);
  return sum / (a.length * b.length);
}

/** Eigenvalues, and eigenvectors in the columns of `vectors`, of a symmetric matrix [n, n]. */
export interface Eigen {
  values: Float64Array;
  /** [n, n] */
  vectors: Float64Array;
}

const SWEEPS = 60;

/** Symmetric eigendecomposition by cyclic Jacobi rotations; `matrix` is [n, n], row-major, and is not changed. */
export function symmetricEigen(matrix: Float64Array, n: number): Eigen {
  const a = matrix.slice();
  const vectors = identity(n);
  for (let sweep = 0; sweep < SWEEPS && offDiagonal(a, n) > 1e-22 * squares(a); sweep++) {
    for (let p = 0; p < n - 1; p++) {
      for (let q = p + 1; q < n; q++) if (a[p * n + q] !== 0) rotate(a, vectors, n, p, q);
    }
  }
  return { values: Float64Array.from({ length: n }, (_, i) => a[i * n + i]!), vectors };
}

/** One rotation that zeroes a[p][q]. Source: Golub and Van Loan, algorithm 8.5.1. */
function rotate(a: Float64Array, vectors: Float64Array, n: number, p: number, q: number): void {
  const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * a[p * n + q]!);
  const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  const turn = (m: Float64Array, i: number, j: number): void => {
    const [x, y] = [m[i]!, m[j]!];
    m[i] = c * x - s * y;
    m[j] = s * x + c * y;
  };
  for (let k = 0; k < n; k++) turn(a, k * n + p, k * n + q);
  for (let k = 0; k < n; k++) turn(a, p * n + k, q * n + k);
  for (let k = 0; k < n; k++) turn(vectors, k * n + p, k * n + q);
}

/** The matrix with each eigenvalue replaced by `map(value)`. */
export function mapEigenvalues({ values, vectors }: Eigen, map: (value: number) => number): Float64Array {
  const n = values.length;
  const scaled = vectors.map((value, i) => value * map(values[i % n]!));
  return multiply(scaled, transposed(vectors, n), n);
}

export function multiply(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const factor = a[i * n + k]!;
      for (let j = 0; j < n; j++) out[i * n + j]! += factor * b[k * n + j]!;
    }
  }
  return out;
}

function transposed(a: Float64Array, n: number): Float64Array {
  return a.map((_, i) => a[(i % n) * n + Math.floor(i / n)]!);
}

function identity(n: number): Float64Array {
  return Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
}

function squares(a: Float64Array): number {
  return a.reduce((sum, value) => sum + value * value, 0);
}

function offDiagonal(a: Float64Array, n: number): number {
  return a.reduce((sum, value, i) => sum + (i % (n + 1) === 0 ? 0 : value * value), 0);
}
