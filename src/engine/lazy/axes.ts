/** Axes, rows, sums and numbers that kernels share. */
import { type Constant, type GraphBuilder, sameShape, sizeOf, type Value } from '../graph/index.ts';

/** Axes as the kernels of TensorFlow.js give them: one, several, negative, or none for all. */
export function toAxes(axis: number | readonly number[] | null | undefined, shape: readonly number[]): number[] {
  const rank = shape.length;
  if (axis === undefined || axis === null) return shape.map((_, i) => i);
  const list = typeof axis === 'number' ? [axis] : axis;
  return list.map((i) => {
    if (!Number.isInteger(i)) throw new Error(`axis ${i} is not an integer`);
    if (i < -rank || i >= rank) throw new Error(`axis ${i} is outside [-${rank}, ${rank}) for shape [${shape}]`);
    return i < 0 ? i + rank : i;
  });
}

/** bool counts as int32. */
export function asNumber(x: Value, g: GraphBuilder): Value {
  return x.dtype === 'bool' ? g.cast(x, 'int32') : x;
}

/** 0, 1, ... below `count` as int32. */
export function counting(g: GraphBuilder, count: number): Value {
  const limits = [0, count, 1].map((n) => g.scalar(n, 'int32'));
  return g.node('Range', limits, null, [count], 'int32');
}

/** All axes but the last merged: [..., D] -> [M, D]. */
export function asRows(g: GraphBuilder, x: Value): Value {
  const width = x.shape[x.shape.length - 1]!;
  return x.shape.length === 2 ? x : g.reshape(x, [width === 0 ? 0 : sizeOf(x.shape) / width, width]);
}

/** Longest row of ones that is written into a graph; beyond it the sum is a reduction. */
const maxOnes = 1 << 17;

/** Σ over the rows of [M, D]: [D]. A product with ones takes a third of the time of ReduceSum. */
export function columnSums(g: GraphBuilder, rows: Value): Value {
  const count = rows.shape[0]!;
  if (count > maxOnes || count === 0) return g.reduce('ReduceSum', rows, [0], false);
  return weightedSums(g, g.filled('float32', [1, count], 1), rows);
}

/** Σ_m w[m] rows[m, :] for w [1, M]: [D]. */
export function weightedSums(g: GraphBuilder, weights: Value | Constant, rows: Value): Value {
  return g.reshape(g.gemm(weights, rows), [rows.shape[1]!]); // [1, D] -> [D]
}

/** Sums `x` over the axes along which a tensor of `shape` was broadcast to it. */
export function sumTo(g: GraphBuilder, x: Value, shape: number[]): Value {
  if (sameShape(x.shape, shape)) return x;
  const offset = x.shape.length - shape.length;
  const axes = x.shape.map((_, axis) => axis).filter((axis) => axis < offset || shape[axis - offset] !== x.shape[axis]);
  if (axes.length === x.shape.length - 1 && axes.every((axis, i) => axis === i)) {
    return g.reshape(columnSums(g, asRows(g, x)), shape);
  }
  return g.reshape(g.reduce('ReduceSum', x, axes, false), shape);
}
