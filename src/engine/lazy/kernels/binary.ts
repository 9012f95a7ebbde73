/** Element-wise kernels with two inputs, broadcasting. */
import {
  type ArithmeticOperator,
  broadcastShape,
  type ComparisonOperator,
  type GraphBuilder,
  type Value,
} from '../../graph/index.ts';
import { asNumber } from '../axes.ts';
import type { Kernel, Kernels, X } from '../kernel.ts';

interface AB {
  a: Value;
  b: Value;
}

/** bool operands are computed as int32 and the result made bool again, as TensorFlow.js does. */
function numeric(compute: (a: Value, b: Value, g: GraphBuilder) => Value): Kernel {
  return ({ a, b }: AB, _, g) => {
    if (a.dtype !== 'bool') return compute(a, b, g);
    return g.cast(compute(g.cast(a, 'int32'), g.cast(b, 'int32'), g), 'bool');
  };
}

function arithmetic(op: ArithmeticOperator): Kernel {
  return numeric((a, b, g) => g.node(op, [a, b], null, broadcastShape(a.shape, b.shape), a.dtype));
}

/** int32 is computed in float64, which is exact and cannot trap on a zero divisor. */
function wide(value: Value, g: GraphBuilder): Value {
  return value.dtype === 'float32' ? value : g.cast(value, 'float64');
}

/** The remainder with the sign of the divisor. */
function floorMod(a: Value, b: Value, g: GraphBuilder): Value {
  const x = wide(a, g);
  const y = wide(b, g);
  const shape = broadcastShape(a.shape, b.shape);
  const remainder = (n: Value): Value => g.node('Mod', [n, y], { fmod: true }, shape, n.dtype);
  return g.cast(remainder(g.add(remainder(x), y)), a.dtype);
}

function squaredDifference(a: Value, b: Value, g: GraphBuilder): Value {
  const difference = g.sub(a, b);
  return g.mul(difference, difference);
}

/** The angle of the point (b, a) in (-pi, pi]. */
function atan2(a: Value, b: Value, g: GraphBuilder): Value {
  const both = g.logic('And', g.test('IsInf', a), g.test('IsInf', b));
  const ratio = g.where(both, g.mul(g.map('Sign', a), g.map('Sign', b)), g.div(a, b));
  const halfTurn = g.where(g.compare('GreaterOrEqual', a, 0), Math.PI, -Math.PI);
  const turned = g.add(g.map('Atan', ratio), g.where(g.compare('Less', b, 0), halfTurn, 0));
  return g.where(g.logic('And', g.compare('Equal', a, 0), g.compare('Equal', b, 0)), 0, turned);
}

/** ONNX orders and compares numbers only: bool goes through int32. */
function comparison(op: ComparisonOperator): (inputs: AB, attrs: object, g: GraphBuilder) => Value {
  const number = (x: Value, g: GraphBuilder): Value => (op === 'Equal' ? x : asNumber(x, g));
  return ({ a, b }, _, g) => g.compare(op, number(a, g), number(b, g));
}

function logical(op: 'And' | 'Or'): Kernel {
  return ({ a, b }: AB, _, g) => g.logic(op, g.cast(a, 'bool'), g.cast(b, 'bool'));
}

const equal = comparison('Equal');

export const binaryKernels: Kernels = {
  Add: arithmetic('Add'),
  Sub: arithmetic('Sub'),
  Multiply: arithmetic('Mul'),
  Maximum: arithmetic('Max'),
  Minimum: arithmetic('Min'),
  Pow: arithmetic('Pow'),
  /** Float division is direct; integers are divided in float64 and truncated. */
  RealDiv: numeric((a, b, g) => g.cast(g.div(wide(a, g), wide(b, g)), a.dtype)),
  Mod: numeric(floorMod),
  SquaredDifference: numeric(squaredDifference),
  Atan2: numeric((a, b, g) => g.cast(atan2(g.cast(a, 'float32'), g.cast(b, 'float32'), g), a.dtype)),
  /** floor(a / b), always int32. */
  FloorDiv: ({ a, b }: AB, _, g) => g.cast(g.map('Floor', g.div(wide(a, g), wide(b, g))), 'int32'),
  /** x where x >= 0, alpha x elsewhere. */
  Prelu: ({ x, alpha }: { x: Value; alpha: Value }, _, g) => {
    const value = g.cast(x, 'float32');
    return g.where(g.compare('Less', value, 0), g.mul(g.cast(alpha, 'float32'), value), value);
  },
  AddN: (inputs: Value[], _, g) => {
    const [first, ...rest] = inputs;
    if (first!.dtype !== 'float32') return rest.reduce((sum, x) => g.add(sum, x), first!);
    return g.node('Sum', inputs, null, first!.shape, 'float32');
  },
  Greater: comparison('Greater'),
  GreaterEqual: comparison('GreaterOrEqual'),
  Less: comparison('Less'),
  LessEqual: comparison('LessOrEqual'),
  Equal: equal,
  NotEqual: (inputs: AB, attrs, g) => g.map('Not', equal(inputs, attrs, g)),
  LogicalAnd: logical('And'),
  LogicalOr: logical('Or'),
  LogicalNot: ({ x }: X, _, g) => g.map('Not', g.cast(x, 'bool')),
  /** condition ? t : e; a condition of rank 1 chooses whole rows. */
  Select: ({ condition, t, e }: { condition: Value; t: Value; e: Value }, _, g) => {
    const isRows = condition.shape.length === 1 && t.shape.length > 1;
    const rows = [condition.shape[0] ?? 1, ...t.shape.slice(1).map(() => 1)];
    const chosen = g.cast(isRows ? g.reshape(condition, rows) : condition, 'bool');
    const number = t.dtype === 'bool' ? 'int32' : t.dtype;
    return g.cast(g.where(chosen, g.cast(t, number), g.cast(e, number)), t.dtype);
  },
};
