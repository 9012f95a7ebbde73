/** Tensors from nothing (fill, ranges), and reading and writing at positions given by data (gather, scatter, one-hot). */
import { type GraphBuilder, sizeOf, type TensorType, type Value } from '../../graph/index.ts';
import { tf } from '../../tf.ts';
import { toAxes } from '../axes.ts';
import { defineKernel, type KernelDefinition } from '../kernel.ts';

interface FillAttributes {
  shape: number[];
  value: number;
  dtype?: TensorType;
}

const fill = defineKernel<object, FillAttributes>('Fill', ({ attrs: { shape, value, dtype } }, g) =>
  g.full(shape, value, dtype ?? 'float32'),
);

interface RangeAttributes {
  start: number;
  stop: number;
  step: number;
  dtype?: TensorType;
}

/** start, start + step, ... below (or above) stop; counts down by itself when stop is below start. */
const range = defineKernel<object, RangeAttributes>('Range', ({ attrs }, g) => {
  const { start, stop, dtype = 'float32' } = attrs;
  const step = stop < start && attrs.step === 1 ? -1 : attrs.step;
  const count = start === stop ? 0 : Math.max(0, Math.ceil((stop - start) / step));
  const end = start + count * step;
  const limits = [start, dtype === 'int32' ? end : end - step / 2, step].map((x) => g.scalar(x, dtype));
  return g.node('Range', limits, null, [count], dtype);
});

/** `num` values from start to stop, both included. */
const linSpace = defineKernel<object, { start: number; stop: number; num: number }>('LinSpace', ({ attrs }, g) => {
  const { start, stop, num } = attrs;
  const limits = [0, num, 1].map((x) => g.scalar(x, 'int32'));
  const positions = g.cast(g.node('Range', limits, null, [num], 'int32'), 'float32');
  return g.add(g.mul(positions, (stop - start) / Math.max(1, num - 1)), start);
});

/** Positions may lie outside; only a run tells. */
const dataDependent = { dataDependent: true };

interface GatherAttributes {
  axis: number;
  batchDims?: number;
}

const gather = defineKernel<{ x: Value; indices: Value }, GatherAttributes>(
  'GatherV2',
  ({ inputs: { x, indices }, attrs }, g) => {
    const [axis = 0] = toAxes(attrs.axis, x.shape);
    const positions = g.cast(indices, 'int32');
    if (attrs.batchDims) return batchGather(x, positions, axis, attrs.batchDims, g);
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return g.node('Gather', [x, positions], { axis }, shape, x.dtype);
  },
  dataDependent,
);

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

const gatherNd = defineKernel<{ params: Value; indices: Value }>(
  'GatherNd',
  ({ inputs: { params, indices } }, g) => {
    tf.gather_util.prepareAndValidate(params as never, indices as never);
    const depth = indices.shape.at(-1) ?? 0;
    const shape = [...indices.shape.slice(0, -1), ...params.shape.slice(depth)];
    return g.node('GatherND', [params, g.cast(indices, 'int64')], null, shape, params.dtype);
  },
  dataDependent,
);

/** base with updates at indices [.., depth]; `add` sums updates of the same position. */
function scatter(base: Value, indices: Value, updates: Value, add: boolean, g: GraphBuilder): Value {
  const { sliceRank, numUpdates } = tf.scatter_util.calculateShapes(updates as never, indices as never, base.shape);
  const positions = g.reshape(g.cast(indices, 'int64'), [numUpdates, sliceRank]);
  const slices = g.reshape(updates, [numUpdates, ...base.shape.slice(sliceRank)]);
  const inputs = [base, positions, slices];
  return g.node('ScatterND', inputs, { reduction: add ? 'add' : 'none' }, base.shape, base.dtype);
}

const scatterNd = defineKernel<{ indices: Value; updates: Value }, { shape: number[] }>(
  'ScatterNd',
  ({ inputs: { indices, updates }, attrs: { shape } }, g) =>
    scatter(g.full(shape, 0, updates.dtype as TensorType), indices, updates, true, g),
  dataDependent,
);

const tensorScatterUpdate = defineKernel<{ tensor: Value; indices: Value; updates: Value }>(
  'TensorScatterUpdate',
  ({ inputs: { tensor, indices, updates } }, g) => scatter(tensor, indices, updates, false, g),
  dataDependent,
);

/** Sums rows of x by segment; rows whose segment is outside [0, numSegments) are left out. */
const unsortedSegmentSum = defineKernel<{ x: Value; segmentIds: Value }, { numSegments: number }>(
  'UnsortedSegmentSum',
  ({ inputs: { x, segmentIds }, attrs: { numSegments } }, g) => {
    const rank = segmentIds.shape.length;
    const count = sizeOf(segmentIds.shape);
    const row = x.shape.slice(rank);
    const ids = g.reshape(g.cast(segmentIds, 'int32'), [count]);
    const [low, high] = [g.compare('GreaterOrEqual', ids, 0), g.compare('Less', ids, numSegments)];
    const inside = g.node('And', [low, high], null, [count], 'bool');
    const columns = g.reshape(inside, [count, ...row.map(() => 1)]);
    const kept = g.where(columns, g.reshape(x, [count, ...row]), 0);
    const positions = g.reshape(g.where(inside, ids, 0), [count, 1]);
    const zeros = g.full([numSegments, ...row], 0, x.dtype as TensorType);
    return scatter(zeros, positions, kept, true, g);
  },
);

interface OneHotAttributes {
  depth: number;
  onValue: number;
  offValue: number;
  dtype?: TensorType;
}

const oneHot = defineKernel<{ indices: Value }, OneHotAttributes>('OneHot', ({ inputs: { indices }, attrs }, g) => {
  const { depth, onValue, offValue, dtype = 'int32' } = attrs;
  const classes = g.constant(
    'int32',
    [depth],
    Array.from({ length: depth }, (_, i) => i),
  );
  const column = g.reshape(g.cast(indices, 'int32'), [...indices.shape, 1]);
  const hot = g.compare('Equal', column, classes);
  const number = dtype === 'bool' ? 'int32' : dtype;
  return g.cast(g.where(hot, g.scalar(onValue, number), g.scalar(offValue, number)), dtype);
});

export const positionKernels: readonly KernelDefinition[] = [
  fill,
  range,
  linSpace,
  defineKernel<{ x: Value }>('ZerosLike', ({ inputs: { x } }, g) => g.full(x.shape, 0, x.dtype as TensorType)),
  defineKernel<{ x: Value }>('OnesLike', ({ inputs: { x } }, g) => g.full(x.shape, 1, x.dtype as TensorType)),
  gather,
  gatherNd,
  scatterNd,
  tensorScatterUpdate,
  unsortedSegmentSum,
  oneHot,
];
