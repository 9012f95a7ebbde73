/**
 * Element-wise kernels with one input. As in TensorFlow.js, the result has the dtype of the input: integers are
 * computed in float32 and truncated, except where a kernel is exact on integers or always returns floats.
 */
import type { GraphBuilder, UnaryOperator, Value } from '../../graph/index.ts';
import { asNumber } from '../axes.ts';
import type { Kernel, Kernels, X } from '../kernel.ts';

/** Computes in float32, then returns to the dtype of x. */
function inFloat<A>(compute: (x: Value, g: GraphBuilder, attrs: A) => Value) {
  return ({ x }: X, attrs: A, g: GraphBuilder): Value => g.cast(compute(g.cast(x, 'float32'), g, attrs), x.dtype);
}

/** Kernels that are one operator of the same name. */
function alike(names: readonly UnaryOperator[], kernel: (op: UnaryOperator) => Kernel): Kernels {
  return Object.fromEntries(names.map((op) => [op, kernel(op)]));
}

/** A test of floats that no integer passes. */
function floatTest(op: 'IsNaN' | 'IsInf'): Kernel {
  return ({ x }: X, _, g) => g.test(op, g.cast(x, 'float32'));
}

function clip(x: Value, low: number, high: number, g: GraphBuilder): Value {
  return g.node('Clip', [x, g.number(low), g.number(high)], null, x.shape, 'float32');
}

const floatOperators: readonly UnaryOperator[] = [
  ...(['Acos', 'Acosh', 'Asin', 'Asinh', 'Atan', 'Atanh', 'Cos', 'Cosh', 'Sin', 'Sinh', 'Tan', 'Tanh'] as const),
  ...(['Elu', 'Erf', 'Log', 'Reciprocal', 'Selu', 'Sigmoid', 'Softplus', 'Sqrt'] as const),
];

export const unaryKernels: Kernels = {
  ...alike(floatOperators, (op) => inFloat((x, g) => g.map(op, x))),
  // exact on int32, too
  ...alike(
    ['Abs', 'Neg', 'Relu'],
    (op) =>
      ({ x }: X, _, g) =>
        g.cast(g.map(op, asNumber(x, g)), x.dtype),
  ),
  // nothing to do on integers
  ...alike(
    ['Ceil', 'Floor', 'Round'],
    (op) =>
      ({ x }: X, _, g) =>
        x.dtype === 'float32' ? g.map(op, x) : x,
  ),

  Square: inFloat((x, g) => g.mul(x, x)),
  Rsqrt: inFloat((x, g) => g.map('Reciprocal', g.map('Sqrt', x))),
  Log1p: inFloat((x, g) => g.map('Log', g.add(x, 1))),
  Expm1: inFloat((x, g) => g.sub(g.map('Exp', x), 1)),
  Relu6: inFloat((x, g) => clip(x, 0, 6, g)),
  ClipByValue: inFloat((x, g, { clipValueMin, clipValueMax }: { clipValueMin: number; clipValueMax: number }) =>
    clip(x, clipValueMin, clipValueMax, g),
  ),
  /** 1 for x > 0, alpha otherwise; NaN stays. */
  Step: inFloat((x, g, { alpha = 0 }: { alpha?: number }) => {
    const steps = g.where(g.compare('Greater', x, 0), 1, g.number(alpha));
    return g.where(g.test('IsNaN', x), x, steps);
  }),

  Exp: ({ x }: X, _, g) => g.map('Exp', g.cast(x, 'float32')),
  LeakyRelu: ({ x }: X, { alpha }: { alpha: number }, g) =>
    g.node('LeakyRelu', [g.cast(x, 'float32')], { alpha }, x.shape, 'float32'),
  /** d elu = dy for y >= 0, dy (y + 1) otherwise. */
  EluGrad: ({ dy, y }: { dy: Value; y: Value }, _, g) =>
    g.where(g.compare('GreaterOrEqual', y, 0), dy, g.mul(dy, g.add(y, 1))),

  /** -1, 0 or 1; 0 for NaN, as in TensorFlow.js. */
  Sign: ({ x }: X, _, g) => {
    const signs = g.map('Sign', asNumber(x, g));
    return g.cast(x.dtype === 'float32' ? g.where(g.test('IsNaN', x), 0, signs) : signs, x.dtype);
  },
  IsNan: floatTest('IsNaN'),
  IsInf: floatTest('IsInf'),
  /** x - x is 0 for finite numbers and NaN for the others. */
  IsFinite: ({ x }: X, _, g) => {
    const value = g.cast(x, 'float32');
    return g.compare('Equal', g.sub(value, value), 0);
  },
  Cast: ({ x }: X, { dtype }: { dtype: string }, g) => {
    if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return g.cast(x, dtype);
    throw new Error(`cast: dtype ${dtype} is not supported; use float32, int32 or bool`);
  },
  Identity: ({ x }: X) => x,
};
