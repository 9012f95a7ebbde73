/** Element-wise kernels with two inputs, broadcasting. */
import {
  type ArithmeticOperator,
  broadcastShape,
  type ComparisonOperator,
  type ElementType,
  type GraphBuilder,
  type Value,
} from '../../graph/index.ts';
import { defineKernel, type KernelDefinition } from '../kernel.ts';

interface AB {
  a: Value;
  b: Value;
}

type Compute = (a: Value, b: Value, g: GraphBuilder) => Value;

/** bool operands are computed as int32 and the result made bool again, as TensorFlow.js does. */
function numeric(name: string, compute: Compute): KernelDefinition {
  return defineKernel<AB>(name, ({ inputs: { a, b } }, g) => {
    if (a.dtype !== 'bool') return compute(a, b, g);
    return g.cast(compute(g.cast(a, 'int32'), g.cast(b, 'int32'), g), 'bool');
  });
}

function arithmetic(name: string, op: ArithmeticOperator): KernelDefinition {
  return numeric(name, (a, b, g) => g.node(op, [a, b], null, broadcastShape(a.shape, b.shape), a.dtype));
}

/** int32 is computed in float64, which is exact and cannot trap on a zero divisor. */
function wide(value: Value, g: GraphBuilder): Value {
  return value.dtype === 'float32' ? value : g.cast(value, 'float64');
}

/** Float division is direct; integers are divided in float64 and truncated. */
function divide(a: Value, b: Value, g: GraphBuilder): Value {
  return g.cast(g.div(wide(a, g), wide(b, g)), a.dtype);
}

/** floor(a / b), always int32. */
const floorDiv = defineKernel<AB>('FloorDiv', ({ inputs: { a, b } }, g) =>
  g.cast(g.map('Floor', g.div(wide(a, g), wide(b, g))), 'int32'),
);

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
  const shape = broadcastShape(a.shape, b.shape);
  const isInf = (x: Value): Value => g.node('IsInf', [x], null, x.shape, 'bool');
  const both = g.node('And', [isInf(a), isInf(b)], null, shape, 'bool');
  const ratio = g.where(both, g.mul(g.map('Sign', a), g.map('Sign', b)), g.div(a, b));
  const halfTurn = g.where(g.compare('GreaterOrEqual', a, 0), Math.PI, -Math.PI);
  const turned = g.add(g.map('Atan', ratio), g.where(g.compare('Less', b, 0), halfTurn, 0));
  const origin = g.node('And', [g.compare('Equal', a, 0), g.compare('Equal', b, 0)], null, shape, 'bool');
  return g.where(origin, 0, turned);
}

/** x where x >= 0, alpha x elsewhere. */
const prelu = defineKernel<{ x: Value; alpha: Value }>('Prelu', ({ inputs: { x, alpha } }, g) => {
  const value = g.cast(x, 'float32');
  return g.where(g.compare('Less', value, 0), g.mul(g.cast(alpha, 'float32'), value), value);
});

const addN = defineKernel<Value[]>('AddN', ({ inputs }, g) => {
  const [first, ...rest] = inputs;
  if (first!.dtype !== 'float32') return rest.reduce((sum, x) => g.add(sum, x), first!);
  return g.node('Sum', inputs, null, first!.shape, 'float32');
});

/** ONNX orders and compares numbers only: bool goes through int32. */
function comparison(name: string, op: ComparisonOperator, negate = false): KernelDefinition {
  return defineKernel<AB>(name, ({ inputs: { a, b } }, g) => {
    const number = (x: Value): Value => (x.dtype === 'bool' && op !== 'Equal' ? g.cast(x, 'int32') : x);
    const result = g.compare(op, number(a), number(b));
    return negate ? g.map('Not', result) : result;
  });
}

function logical(name: string, op: 'And' | 'Or'): KernelDefinition {
  return defineKernel<AB>(name, ({ inputs: { a, b } }, g) => {
    const [left, right] = [g.cast(a, 'bool'), g.cast(b, 'bool')];
    return g.node(op, [left, right], null, broadcastShape(a.shape, b.shape), 'bool');
  });
}

const logicalNot = defineKernel<{ x: Value }>('LogicalNot', ({ inputs: { x } }, g) => g.map('Not', g.cast(x, 'bool')));

/** condition ? t : e; a condition of rank 1 chooses whole rows. */
const select = defineKernel<{ condition: Value; t: Value; e: Value }>('Select', ({ inputs }, g) => {
  const { condition, t, e } = inputs;
  const isRows = condition.shape.length === 1 && t.shape.length > 1;
  const rows = [condition.shape[0] ?? 1, ...t.shape.slice(1).map(() => 1)];
  const chosen = g.cast(isRows ? g.reshape(condition, rows) : condition, 'bool');
  const number: ElementType = t.dtype === 'bool' ? 'int32' : t.dtype;
  return g.cast(g.where(chosen, g.cast(t, number), g.cast(e, number)), t.dtype);
});

export const binaryKernels: readonly KernelDefinition[] = [
  arithmetic('Add', 'Add'),
  arithmetic('Sub', 'Sub'),
  arithmetic('Multiply', 'Mul'),
  arithmetic('Maximum', 'Max'),
  arithmetic('Minimum', 'Min'),
  arithmetic('Pow', 'Pow'),
  numeric('RealDiv', divide),
  numeric('Mod', floorMod),
  numeric('SquaredDifference', squaredDifference),
  numeric('Atan2', (a, b, g) => g.cast(atan2(g.cast(a, 'float32'), g.cast(b, 'float32'), g), a.dtype)),
  floorDiv,
  prelu,
  addN,
  comparison('Greater', 'Greater'),
  comparison('GreaterEqual', 'GreaterOrEqual'),
  comparison('Less', 'Less'),
  comparison('LessEqual', 'LessOrEqual'),
  comparison('Equal', 'Equal'),
  comparison('NotEqual', 'Equal', true),
  logical('LogicalAnd', 'And'),
  logical('LogicalOr', 'Or'),
  logicalNot,
  select,
];
