/** Reductions, running sums, arg-max and top-k. */
import type { GraphBuilder, ReductionOperator, Value } from '../../graph/index.ts';
import { asNumber, toAxes } from '../axes.ts';
import type { Kernel, Kernels, X } from '../kernel.ts';

interface ReduceAttributes {
  /** Some kernels of TensorFlow.js call the axes this, others `reductionIndices`. */
  axis?: number | number[];
  reductionIndices?: number | number[];
  keepDims?: boolean;
}

function reduced(op: ReductionOperator, x: Value, attrs: ReduceAttributes, g: GraphBuilder): Value {
  return g.reduce(op, x, toAxes(attrs.axis ?? attrs.reductionIndices, x.shape), attrs.keepDims ?? false);
}

/** Integers stay exact integers; bool is summed and multiplied as int32. */
function numberReduction(op: ReductionOperator): Kernel {
  return ({ x }: X, attrs: ReduceAttributes, g) => reduced(op, asNumber(x, g), attrs, g);
}

/** The largest or smallest element, NaN where there is one, which ONNX leaves out. The result keeps the dtype. */
function extreme(op: ReductionOperator): Kernel {
  return ({ x }: X, attrs: ReduceAttributes, g) => {
    const result = reduced(op, asNumber(x, g), attrs, g);
    if (x.dtype !== 'float32') return g.cast(result, x.dtype);
    const hasNan = reduced('ReduceMax', g.cast(g.test('IsNaN', x), 'float32'), attrs, g);
    return g.where(g.compare('Greater', hasNan, 0), Number.NaN, result);
  };
}

function boolReduction(op: ReductionOperator): Kernel {
  return ({ x }: X, attrs: ReduceAttributes, g) =>
    g.cast(reduced(op, g.cast(g.cast(x, 'bool'), 'int32'), attrs, g), 'bool');
}

/** Position of the largest or smallest element; `last` stands for NaN, so that it is never chosen. */
function argReduction(op: 'ArgMax' | 'ArgMin', last: number): Kernel {
  return ({ x }: X, attrs: { axis: number }, g) => {
    const [axis = 0] = toAxes(attrs.axis, x.shape);
    const shape = x.shape.filter((_, i) => i !== axis);
    const values = x.dtype === 'float32' ? g.where(g.test('IsNaN', x), last, x) : asNumber(x, g);
    return g.cast(g.node(op, [values], { axis, keepdims: false }, shape, 'int64'), 'int32');
  };
}

interface CumulativeAttributes {
  axis: number;
  exclusive: boolean;
  reverse: boolean;
}

/** Running products in log2(n) steps: each multiplies by the products that end 1, 2, 4, ... positions before. */
function cumulativeProduct({ x }: X, attrs: CumulativeAttributes, g: GraphBuilder): Value {
  const [axis = 0] = toAxes(attrs.axis, x.shape);
  const size = x.shape[axis] ?? 1;
  const turn = (values: Value): Value => (attrs.reverse ? g.reverse(values, [axis]) : values);
  const zeros = x.shape.map(() => 0);
  const shifted = (values: Value, by: number): Value => {
    const kept = x.shape.map((n, i) => (i === axis ? n - by : n));
    const ones = x.shape.map((_, i): [number, number] => [i === axis ? by : 0, 0]);
    return g.pad(g.slice(values, zeros, kept), ones, 1);
  };
  let products = turn(asNumber(x, g));
  for (let by = 1; by < size; by *= 2) products = g.mul(products, shifted(products, by));
  return turn(attrs.exclusive ? shifted(products, 1) : products);
}

export const reduceKernels: Kernels = {
  Sum: numberReduction('ReduceSum'),
  Prod: numberReduction('ReduceProd'),
  Max: extreme('ReduceMax'),
  Min: extreme('ReduceMin'),
  All: boolReduction('ReduceMin'),
  Any: boolReduction('ReduceMax'),
  Mean: ({ x }: X, attrs: ReduceAttributes, g) => reduced('ReduceMean', g.cast(x, 'float32'), attrs, g),
  ArgMax: argReduction('ArgMax', Number.NEGATIVE_INFINITY),
  ArgMin: argReduction('ArgMin', Number.POSITIVE_INFINITY),
  Cumsum: ({ x }: X, { exclusive, reverse, ...attrs }: CumulativeAttributes, g) => {
    const [axis = 0] = toAxes(attrs.axis, x.shape);
    const values = asNumber(x, g);
    return g.node('CumSum', [values, g.scalar(axis, 'int64')], { exclusive, reverse }, x.shape, values.dtype);
  },
  Cumprod: cumulativeProduct,
  /** The k largest of the last axis, in descending order, equal ones by position, and their positions. */
  TopK: ({ x }: X, { k }: { k: number }, g) => {
    const shape = [...x.shape.slice(0, -1), k];
    const outputs = [[shape, x.dtype] as const, [shape, 'int64'] as const];
    const [values, indices] = g.nodes('TopK', [x, g.int64([k])], { axis: -1, sorted: true }, outputs);
    return [values!, g.cast(indices!, 'int32')];
  },
};
