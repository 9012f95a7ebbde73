/** Tensors from nothing (fill, ranges), and reading and writing at positions given by data (gather, scatter, one-hot). */
import { type GraphBuilder, sizeOf, type TensorType, type Value } from '../../graph/index.ts';
import { tf } from '../../tf.ts';
import { counting, toAxes } from '../axes.ts';
import type { Kernels, X } from '../kernel.ts';

interface RangeAttributes {
  start: number;
  stop: number;
  step: number;
  dtype?: TensorType;
}

interface OneHotAttributes {
  depth: number;
  onValue: number;
  offValue: number;
  dtype?: TensorType;
}

/** Kernels whose positions may lie outside; only a run tells. */
export const dataDependent: ReadonlySet<string> = new Set(['GatherV2', 'GatherNd', 'ScatterNd', 'TensorScatterUpdate']);

/** x [batch, outer, n, inner], indices [batch, m]: each batch entry gathers with its own indices. */
function batchGather(x: Value, indices: Value, axis: number, batchDims: number, g: GraphBuilder): Value {
  tf.backend_util.segment_util.collectGatherOpShapeInfo(x as never, indices as never, axis, batchDims);
  const batch = sizeOf(x.shape.slice(0, batchDims));
  const outer = sizeOf(x.shape.slice(batchDims, axis));
  const inner = sizeOf(x.shape.slice(axis + 1));
  const n = x.shape[axis]!;
  const m = sizeOf(indices.shape.slice(batchDims));
  const rows = g.transpose(g.reshape(x, [batch, outer, n, inner]), [0, 2, 1, 3]);
  const positions = g.reshape(g.cast(indices, 'int64'), [batch, m, 1]);
  const taken = g.node('GatherND', [rows, positions], { batch_dims: 1 }, [batch, m, outer, inner], x.dtype);
  const shape = [...x.shape.slice(0, axis), ...indices.shape.slice(batchDims), ...x.shape.slice(axis + 1)];
  return g.reshape(g.transpose(taken, [0, 2, 1, 3]), shape);
}

/** base with updates at indices [.., depth]; `add` sums updates of the same position. */
function scatter(base: Value, indices: Value, updates: Value, add: boolean, g: GraphBuilder): Value {
  const { sliceRank, numUpdates } = tf.scatter_util.calculateShapes(updates as never, indices as never, base.shape);
  const positions = g.reshape(g.cast(indices, 'int64'), [numUpdates, sliceRank]);
  const slices = g.reshape(updates, [numUpdates, ...base.shape.slice(sliceRank)]);
  const inputs = [base, positions, slices];
  return g.node('ScatterND', inputs, { reduction: add ? 'add' : 'none' }, base.shape, base.dtype);
}

export const positionKernels: Kernels = {
  Fill: (_: object, { shape, value, dtype }: { shape: number[]; value: number; dtype?: TensorType }, g) =>
    g.full(shape, value, dtype ?? 'float32'),
  ZerosLike: ({ x }: X, _, g) => g.full(x.shape, 0, x.dtype as TensorType),
  OnesLike: ({ x }: X, _, g) => g.full(x.shape, 1, x.dtype as TensorType),

  /** start, start + step, ... below (or above) stop; counts down by itself when stop is below start. */
  Range: (_: object, { start, stop, dtype = 'float32', ...given }: RangeAttributes, g) => {
    const step = stop < start && given.step === 1 ? -1 : given.step;
    const count = start === stop ? 0 : Math.max(0, Math.ceil((stop - start) / step));
    const end = start + count * step;
    const limits = [start, dtype === 'int32' ? end : end - step / 2, step].map((x) => g.scalar(x, dtype));
    return g.node('Range', limits, null, [count], dtype);
  },
  /** `num` values from start to stop, both included. */
  LinSpace: (_: object, { start, stop, num }: { start: number; stop: number; num: number }, g) => {
    const positions = g.cast(counting(g, num), 'float32');
    return g.add(g.mul(positions, (stop - start) / Math.max(1, num - 1)), start);
  },

  GatherV2: ({ x, indices }: { x: Value; indices: Value }, attrs: { axis: number; batchDims?: number }, g) => {
    const [axis = 0] = toAxes(attrs.axis, x.shape);
    const positions = g.cast(indices, 'int32');
    if (attrs.batchDims) return batchGather(x, positions, axis, attrs.batchDims, g);
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return g.node('Gather', [x, positions], { axis }, shape, x.dtype);
  },
  GatherNd: ({ params, indices }: { params: Value; indices: Value }, _, g) => {
    tf.gather_util.prepareAndValidate(params as never, indices as never);
    const depth = indices.shape.at(-1) ?? 0;
    const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)];
    return g.node('GatherND', [params, g.cast(indices, 'int64')], null, shape, params.dtype);
  },
  ScatterNd: ({ indices, updates }: { indices: Value; updates: Value }, { shape }: { shape: number[] }, g) =>
    scatter(g.full(shape, 0, updates.dtype as TensorType), indices, updates, true, g),
  TensorScatterUpdate: (inputs: { tensor: Value; indices: Value; updates: Value }, _, g) =>
    scatter(inputs.tensor, inputs.indices, inputs.updates, false, g),

  /** Sums rows of x by segment; rows whose segment is outside [0, numSegments) are left out. */
  UnsortedSegmentSum: (inputs: { x: Value; segmentIds: Value }, { numSegments }: { numSegments: number }, g) => {
    const { x, segmentIds } = inputs;
    const count = sizeOf(segmentIds.shape);
    const row = x.shape.slice(segmentIds.shape.length);
    const ids = g.reshape(g.cast(segmentIds, 'int32'), [count]);
    const inside = g.logic('And', g.compare('GreaterOrEqual', ids, 0), g.compare('Less', ids, numSegments));
    const columns = g.reshape(inside, [count, ...row.map(() => 1)]);
    const kept = g.where(columns, g.reshape(x, [count, ...row]), 0);
    const positions = g.reshape(g.where(inside, ids, 0), [count, 1]);
    return scatter(g.full([numSegments, ...row], 0, x.dtype as TensorType), positions, kept, true, g);
  },

  OneHot: ({ indices }: { indices: Value }, { depth, onValue, offValue, dtype = 'int32' }: OneHotAttributes, g) => {
    const positions = Array.from({ length: depth }, (_, i) => i);
    const column = g.reshape(g.cast(indices, 'int32'), [...indices.shape, 1]);
    const hot = g.compare('Equal', column, g.constant('int32', [depth], positions));
    const number = dtype === 'bool' ? 'int32' : dtype;
    return g.cast(g.where(hot, g.scalar(onValue, number), g.scalar(offValue, number)), dtype);
  },
};
