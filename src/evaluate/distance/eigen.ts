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

/** Product of two [n, n] matrices. */
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
