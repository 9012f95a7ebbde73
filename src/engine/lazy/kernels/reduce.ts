/** Reductions, running sums, arg-max and top-k. */
import type { ElementType, GraphBuilder, ReductionOperator, Value } from '../../graph/index.ts';
import { toAxes } from '../axes.ts';
import { defineKernel, type KernelDefinition } from '../kernel.ts';

interface X {
  x: Value;
}

interface ReduceAttributes {
  /** Some kernels of TensorFlow.js call the axes this, others `reductionIndices`. */
  axis?: number | number[];
  reductionIndices?: number | number[];
  keepDims?: boolean;
}

function reduced(op: ReductionOperator, x: Value, attrs: ReduceAttributes, g: GraphBuilder): Value {
  return g.reduce(op, x, toAxes(attrs.axis ?? attrs.reductionIndices, x.shape), attrs.keepDims ?? false);
}

function isNan(x: Value, g: GraphBuilder): Value {
  return g.node('IsNaN', [x], null, x.shape, 'bool');
}

/** bool counts as int32. */
function asNumber(x: Value, g: GraphBuilder): Value {
  return x.dtype === 'bool' ? g.cast(x, 'int32') : x;
}

/** Integers stay exact integers; bool is summed and multiplied as int32. */
function numberReduction(name: string, op: ReductionOperator): KernelDefinition {
  return defineKernel<X, ReduceAttributes>(name, ({ inputs: { x }, attrs }, g) =>
    reduced(op, asNumber(x, g), attrs, g),
  );
}

/** The largest or smallest element, NaN where there is one, which ONNX leaves out. The result keeps the dtype. */
function extreme(name: string, op: ReductionOperator): KernelDefinition {
  return defineKernel<X, ReduceAttributes>(name, ({ inputs: { x }, attrs }, g) => {
    const result = reduced(op, asNumber(x, g), attrs, g);
    if (x.dtype !== 'float32') return g.cast(result, x.dtype);
    const hasNan = reduced('ReduceMax', g.cast(isNan(x, g), 'float32'), attrs, g);
    return g.where(g.compare('Greater', hasNan, 0), Number.NaN, result);
  });
}

function boolReduction(name: string, op: ReductionOperator): KernelDefinition {
  return defineKernel<X, ReduceAttributes>(name, ({ inputs: { x }, attrs }, g) =>
    g.cast(reduced(op, g.cast(g.cast(x, 'bool'), 'int32'), attrs, g), 'bool'),
  );
}

const mean = defineKernel<X, ReduceAttributes>('Mean', ({ inputs: { x }, attrs }, g) =>
  reduced('ReduceMean', g.cast(x, 'float32'), attrs, g),
);

/** Position of the largest or smallest element; `last` stands for NaN, so that it is never chosen. */
function argReduction(name: 'ArgMax' | 'ArgMin', last: number): KernelDefinition {
  return defineKernel<X, { axis: number }>(name, ({ inputs: { x }, attrs }, g) => {
    const [axis = 0] = toAxes(attrs.axis, x.shape);
    const shape = x.shape.filter((_, i) => i !== axis);
    const values = x.dtype === 'float32' ? g.where(isNan(x, g), last, x) : asNumber(x, g);
    return g.cast(g.node(name, [values], { axis, keepdims: false }, shape, 'int64'), 'int32');
  });
}

interface CumulativeAttributes {
  axis: number;
  exclusive: boolean;
  reverse: boolean;
}

const cumsum = defineKernel<X, CumulativeAttributes>('Cumsum', ({ inputs: { x }, attrs }, g) => {
  const [axis = 0] = toAxes(attrs.axis, x.shape);
  const values = asNumber(x, g);
  const { exclusive, reverse } = attrs;
  return g.node('CumSum', [values, g.scalar(axis, 'int64')], { exclusive, reverse }, x.shape, values.dtype);
});

/** Running products in log2(n) steps: each multiplies by the products that end 1, 2, 4, ... positions before. */
const cumprod = defineKernel<X, CumulativeAttributes>('Cumprod', ({ inputs: { x }, attrs }, g) => {
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
});

/** The k largest of the last axis, in descending order, equal ones by position, and their positions. */
const topK = defineKernel<X, { k: number }>('TopK', ({ inputs: { x }, attrs: { k } }, g) => {
  const shape = [...x.shape.slice(0, -1), k];
  const outputs: [number[], ElementType][] = [
    [shape, x.dtype],
    [shape, 'int64'],
  ];
  const [values, indices] = g.nodes('TopK', [x, g.int64([k])], { axis: -1, sorted: true }, outputs);
  return [values!, g.cast(indices!, 'int32')];
});

export const reduceKernels: readonly KernelDefinition[] = [
  numberReduction('Sum', 'ReduceSum'),
  numberReduction('Prod', 'ReduceProd'),
  extreme('Max', 'ReduceMax'),
  extreme('Min', 'ReduceMin'),
  boolReduction('All', 'ReduceMin'),
  boolReduction('Any', 'ReduceMax'),
  mean,
  argReduction('ArgMax', Number.NEGATIVE_INFINITY),
  argReduction('ArgMin', Number.POSITIVE_INFINITY),
  cumsum,
  cumprod,
  topK,
];
