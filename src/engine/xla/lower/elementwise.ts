/** Operators that work on each element, with broadcasting. */
import type { ArithmeticOperator, ComparisonOperator, OperatorName, UnaryOperator } from '../../graph/index.ts';
import type { Comparison, Emitter, Term } from './emitter.ts';
import type { Lowering } from './lowering.ts';

type Formula = (x: Term, h: Emitter) => Term;

function named(name: string): Formula {
  return (x, h) => h.unary(name, x);
}

function elu(x: Term, alpha: number, h: Emitter): Term {
  const below = h.binary('multiply', h.unary('exponential_minus_one', x), alpha);
  return h.select(h.compare('GT', x, 0), x, below);
}

/** log(1 + exp(x)) that does not overflow: max(x, 0) + log1p(exp(-|x|)). */
function softplus(x: Term, h: Emitter): Term {
  const rest = h.unary('log_plus_one', h.unary('exponential', h.unary('negate', h.unary('abs', x))));
  return h.binary('add', h.binary('maximum', x, 0), rest);
}

/** The constants of the self-normalising network (Klambauer et al. 2017), as ONNX has them. */
const seluAlpha = 1.6732631921768188;
const seluGamma = 1.0507010221481323;

const formulas: { readonly [Name in UnaryOperator]: Formula } = {
  Abs: named('abs'),
  Acos: named('chlo.acos'),
  Acosh: named('chlo.acosh'),
  Asin: named('chlo.asin'),
  Asinh: named('chlo.asinh'),
  Atan: named('chlo.atan'),
  Atanh: named('chlo.atanh'),
  Ceil: named('ceil'),
  Cos: named('cosine'),
  Cosh: named('chlo.cosh'),
  Elu: (x, h) => elu(x, 1, h),
  Erf: named('chlo.erf'),
  Exp: named('exponential'),
  Floor: named('floor'),
  Log: named('log'),
  Neg: named('negate'),
  Not: named('not'),
  Reciprocal: (x, h) => h.binary('divide', h.fill(1, x), x),
  Relu: (x, h) => h.binary('maximum', x, 0),
  Round: named('round_nearest_even'),
  Selu: (x, h) => h.binary('multiply', elu(x, seluAlpha, h), seluGamma),
  Sigmoid: named('logistic'),
  Sign: named('sign'),
  Sin: named('sine'),
  Sinh: named('chlo.sinh'),
  Softplus: softplus,
  Sqrt: named('sqrt'),
  Tan: named('chlo.tan'),
  Tanh: named('tanh'),
};

/** A lowering for each operator of a table, from what the table says of it. */
function each<Name extends OperatorName, Entry>(
  table: Readonly<Record<Name, Entry>>,
  lowering: (entry: Entry) => Lowering<Name>,
): Record<Name, Lowering<Name>> {
  const entries = Object.entries<Entry>(table).map(([name, entry]) => [name, lowering(entry)]);
  return Object.fromEntries(entries) as Record<Name, Lowering<Name>>;
}

export const unary: Record<UnaryOperator, Lowering<UnaryOperator>> = each(
  formulas,
  (formula): Lowering<UnaryOperator> =>
    ([x], _, __, h) =>
      formula(x!, h),
);

const arithmeticNames: { readonly [Name in ArithmeticOperator]: string } = {
  Add: 'add',
  Div: 'divide',
  Max: 'maximum',
  Min: 'minimum',
  Mul: 'multiply',
  Pow: 'power',
  Sub: 'subtract',
};

export const arithmetic: Record<ArithmeticOperator, Lowering<ArithmeticOperator>> = each(
  arithmeticNames,
  (name): Lowering<ArithmeticOperator> =>
    ([a, b], _, [result], h) =>
      h.binary(name, a!, b!, result!.shape),
);

const directions: { readonly [Name in ComparisonOperator]: Comparison } = {
  Equal: 'EQ',
  Greater: 'GT',
  GreaterOrEqual: 'GE',
  Less: 'LT',
  LessOrEqual: 'LE',
};

export const comparison: Record<ComparisonOperator, Lowering<ComparisonOperator>> = each(
  directions,
  (direction): Lowering<ComparisonOperator> =>
    ([a, b], _, [result], h) =>
      h.compare(direction, a!, b!, result!.shape),
);

export const and: Lowering<'And'> = ([a, b], _, [result], h) => h.binary('and', a!, b!, result!.shape);

export const or: Lowering<'Or'> = ([a, b], _, [result], h) => h.binary('or', a!, b!, result!.shape);

export const isNan: Lowering<'IsNaN'> = ([x], _, __, h) => h.compare('NE', x!, x!);

export const isInf: Lowering<'IsInf'> = ([x], _, __, h) =>
  h.compare('EQ', h.unary('abs', x!), Number.POSITIVE_INFINITY);

/** Numbers truncate to integers; what is not 0 is true. */
export const cast: Lowering<'Cast'> = ([x], { to }, _, h) => (to === 'bool' ? truth(x!, h) : h.convert(x!, to));

function truth(x: Term, h: Emitter): Term {
  return x.dtype === 'bool' ? x : h.compare('NE', x, 0);
}

export const clip: Lowering<'Clip'> = ([x, low, high], _, __, h) =>
  h.binary('minimum', h.binary('maximum', x!, low!), high!);

export const where: Lowering<'Where'> = ([condition, a, b], _, [result], h) =>
  h.select(condition!, a!, b!, result!.shape);

export const sum: Lowering<'Sum'> = (terms, _, [result], h) =>
  terms.reduce((total, term) => h.binary('add', total, term, result!.shape));

/** The remainder with the sign of the dividend. */
export const mod: Lowering<'Mod'> = ([a, b], _, [result], h) => h.binary('remainder', a!, b!, result!.shape);

export const leakyRelu: Lowering<'LeakyRelu'> = ([x], { alpha }, _, h) =>
  h.select(h.compare('LT', x!, 0), h.binary('multiply', x!, alpha), x!);

/** x/2 (1 + erf(x/√2)), or its form by tanh. */
export const gelu: Lowering<'Gelu'> = ([x], { approximate }, _, h) => {
  const inner = approximate === 'tanh' ? h.unary('tanh', tanhArgument(x!, h)) : erfOfRoot(x!, h);
  return h.binary('multiply', h.binary('multiply', x!, 0.5), h.binary('add', inner, 1));
};

function erfOfRoot(x: Term, h: Emitter): Term {
  return h.unary('chlo.erf', h.binary('multiply', x, Math.SQRT1_2));
}

/** √(2/π) (x + 0.044715 x³) */
function tanhArgument(x: Term, h: Emitter): Term {
  const cube = h.binary('multiply', x, h.binary('multiply', x, x));
  const bent = h.binary('add', x, h.binary('multiply', cube, 0.044715));
  return h.binary('multiply', bent, Math.sqrt(2 / Math.PI));
}
