/**
 * Element-wise kernels with one input. As in TensorFlow.js, the result has the dtype of the input: integers are
 * computed in float32 and truncated, except where a kernel is exact on integers or always returns floats.
 */
import type { GraphBuilder, UnaryOperator, Value } from '../../graph/index.ts';
import { defineKernel, type KernelDefinition } from '../kernel.ts';

interface X {
  x: Value;
}

type Float = (x: Value, g: GraphBuilder) => Value;

/** Computes in float32, then returns to the dtype of x. */
function inFloat(x: Value, g: GraphBuilder, compute: Float): Value {
  return g.cast(compute(g.cast(x, 'float32'), g), x.dtype);
}

function floatKernel(name: string, compute: Float): KernelDefinition {
  return defineKernel<X>(name, ({ inputs: { x } }, g) => inFloat(x, g, compute));
}

/** Kernels that are one ONNX operator on floats: TensorFlow.js name, ONNX name. */
const floatOperators: readonly (readonly [string, UnaryOperator])[] = [
  ['Acos', 'Acos'],
  ['Acosh', 'Acosh'],
  ['Asin', 'Asin'],
  ['Asinh', 'Asinh'],
  ['Atan', 'Atan'],
  ['Atanh', 'Atanh'],
  ['Cos', 'Cos'],
  ['Cosh', 'Cosh'],
  ['Elu', 'Elu'],
  ['Erf', 'Erf'],
  ['Log', 'Log'],
  ['Reciprocal', 'Reciprocal'],
  ['Selu', 'Selu'],
  ['Sigmoid', 'Sigmoid'],
  ['Sin', 'Sin'],
  ['Sinh', 'Sinh'],
  ['Softplus', 'Softplus'],
  ['Sqrt', 'Sqrt'],
  ['Tan', 'Tan'],
  ['Tanh', 'Tanh'],
];

/** Operators that are exact on int32 too; bool goes through int32. */
const exactOperators = ['Abs', 'Neg', 'Relu'] as const;

/** Operators that change nothing on integers. */
const roundingOperators = ['Ceil', 'Floor', 'Round'] as const;

function exactKernel(op: UnaryOperator): KernelDefinition {
  return defineKernel<X>(op, ({ inputs: { x } }, g) => {
    const number = x.dtype === 'bool' ? g.cast(x, 'int32') : x;
    return g.cast(g.map(op, number), x.dtype);
  });
}

function roundingKernel(op: UnaryOperator): KernelDefinition {
  return defineKernel<X>(op, ({ inputs: { x } }, g) => (x.dtype === 'float32' ? g.map(op, x) : x));
}

/** -1, 0 or 1; 0 for NaN, as in TensorFlow.js. */
const sign = defineKernel<X>('Sign', ({ inputs: { x } }, g) => {
  const number = x.dtype === 'bool' ? g.cast(x, 'int32') : x;
  const signs = g.map('Sign', number);
  const isNan = (): Value => g.node('IsNaN', [number], null, x.shape, 'bool');
  return g.cast(x.dtype === 'float32' ? g.where(isNan(), 0, signs) : signs, x.dtype);
});

const float = (x: Value, g: GraphBuilder): Value => g.cast(x, 'float32');

/** A test of floats that no integer passes. */
function floatTest(name: string, op: 'IsNaN' | 'IsInf'): KernelDefinition {
  return defineKernel<X>(name, ({ inputs: { x } }, g) => g.node(op, [float(x, g)], null, x.shape, 'bool'));
}

const finite = defineKernel<X>('IsFinite', ({ inputs: { x } }, g) => {
  const value = float(x, g);
  // x - x is 0 for finite numbers and NaN for the others
  return g.compare('Equal', g.sub(value, value), 0);
});

function clip(x: Value, low: number, high: number, g: GraphBuilder): Value {
  return g.node('Clip', [x, g.number(low), g.number(high)], null, x.shape, 'float32');
}

const clipByValue = defineKernel<X, { clipValueMin: number; clipValueMax: number }>(
  'ClipByValue',
  ({ inputs: { x }, attrs }, g) => inFloat(x, g, (value) => clip(value, attrs.clipValueMin, attrs.clipValueMax, g)),
);

/** 1 for x > 0, alpha otherwise; NaN stays. */
const step = defineKernel<X, { alpha?: number }>('Step', ({ inputs: { x }, attrs: { alpha = 0 } }, g) =>
  inFloat(x, g, (value) => {
    const steps = g.where(g.compare('Greater', value, 0), 1, g.number(alpha));
    return g.where(g.node('IsNaN', [value], null, value.shape, 'bool'), value, steps);
  }),
);

const leakyRelu = defineKernel<X, { alpha: number }>('LeakyRelu', ({ inputs: { x }, attrs: { alpha } }, g) =>
  g.node('LeakyRelu', [float(x, g)], { alpha }, x.shape, 'float32'),
);

/** d elu = dy for y >= 0, dy (y + 1) otherwise. */
const eluGrad = defineKernel<{ dy: Value; y: Value }>('EluGrad', ({ inputs: { dy, y } }, g) =>
  g.where(g.compare('GreaterOrEqual', y, 0), dy, g.mul(dy, g.add(y, 1))),
);

const cast = defineKernel<X, { dtype: string }>('Cast', ({ inputs: { x }, attrs: { dtype } }, g) => {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return g.cast(x, dtype);
  throw new Error(`cast: dtype ${dtype} is not supported; use float32, int32 or bool`);
});

export const unaryKernels: readonly KernelDefinition[] = [
  ...floatOperators.map(([name, op]) => floatKernel(name, (x, g) => g.map(op, x))),
  ...exactOperators.map(exactKernel),
  ...roundingOperators.map(roundingKernel),
  floatKernel('Square', (x, g) => g.mul(x, x)),
  floatKernel('Rsqrt', (x, g) => g.map('Reciprocal', g.map('Sqrt', x))),
  floatKernel('Log1p', (x, g) => g.map('Log', g.add(x, 1))),
  floatKernel('Expm1', (x, g) => g.sub(g.map('Exp', x), 1)),
  floatKernel('Relu6', (x, g) => clip(x, 0, 6, g)),
  defineKernel<X>('Exp', ({ inputs: { x } }, g) => g.map('Exp', float(x, g))),
  floatTest('IsNan', 'IsNaN'),
  floatTest('IsInf', 'IsInf'),
  sign,
  finite,
  clipByValue,
  step,
  leakyRelu,
  eluGrad,
  cast,
  defineKernel<X>('Identity', ({ inputs: { x } }) => x),
];
