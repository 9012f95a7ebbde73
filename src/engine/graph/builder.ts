/**
 * What a kernel body gets to write nodes with. Shapes and dtypes are always known and checked by the kernel; the engine
 * may check them again when a graph is compiled.
 */
import type {
  ArithmeticOperator,
  AttributesOf,
  ComparisonOperator,
  OperatorName,
  ReductionOperator,
  UnaryOperator,
} from './operators.ts';
import type { Recorder } from './recorder.ts';
import { absent, type Constant, type ElementType, type Operand, sameShape, sizeOf, Value } from './value.ts';

/** What may stand for a value in element-wise helpers: a number becomes a constant of the other operand's dtype. */
export type Term = Value | Constant | number;

type Shaped = Value | Constant;

interface ProductOptions {
  transA?: boolean;
  transB?: boolean;
  alpha?: number;
}

/** A slice with steps: one entry for each of `axes`. */
export interface SteppedSlice {
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly axes: readonly number[];
  readonly steps: readonly number[];
}

/** The end of a slice that counts down to the first element. */
export const beforeFirst = -1_000_000_000;

export class GraphBuilder {
  /** Stands for an optional input that is not given. */
  readonly absent: typeof absent = absent;
  readonly #recorder: Recorder;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** Channels in a block of `BlockedConv`, 0 where the engine has no such operator. */
  get channelBlock(): number {
    return this.#recorder.runtime.channelBlock;
  }

  node<Name extends OperatorName>(
    op: Name,
    inputs: readonly Operand[],
    attributes: AttributesOf<Name>,
    shape: number[],
    dtype: ElementType,
  ): Value {
    return this.#recorder.add(op, inputs, attributes, shape, dtype);
  }

  /** A node with several outputs, given as [shape, dtype] each. Equal nodes with fewer outputs are merged with it. */
  nodes<Name extends OperatorName>(
    op: Name,
    inputs: readonly Operand[],
    attributes: AttributesOf<Name>,
    outputs: readonly (readonly [shape: number[], dtype: ElementType])[],
  ): Value[] {
    const values = outputs.map(([shape, dtype]) => new Value(shape, dtype));
    this.#recorder.push(op, inputs, attributes, values);
    return values;
  }

  /** A small table written into the graph. Its content is part of what decides whether a session can be reused. */
  constant(dtype: ElementType, shape: number[], data: ArrayLike<number>): Constant {
    return this.#recorder.constants.intern(dtype, shape, data);
  }

  filled(dtype: ElementType, shape: number[], value: number): Constant {
    return this.#recorder.constants.filled(dtype, shape, value);
  }

  scalar(value: number, dtype: ElementType = 'float32'): Constant {
    return this.#recorder.constants.filled(dtype, [], value);
  }

  /** A 1-D int64 constant: shapes, axes, starts and ends. */
  int64(values: readonly number[]): Constant {
    return this.#recorder.constants.intern('int64', [values.length], values);
  }

  /** A host number that may change between runs without a new compile once it has been seen to change. */
  number(value: number, dtype: 'float32' | 'int32' | 'bool' = 'float32'): Value {
    const made = new Value([], dtype);
    this.#recorder.write(made, [value]);
    return made;
  }

  #term(x: Term, dtype: ElementType): Shaped {
    return typeof x === 'number' ? this.scalar(x, dtype) : x;
  }

  /** One-input operator that keeps shape and dtype. */
  map(op: UnaryOperator, x: Value): Value {
    return this.node(op, [x], null, x.shape, x.dtype);
  }

  #arithmetic(op: ArithmeticOperator, a: Term, b: Term): Value {
    const dtype = typeof a === 'number' ? (b as Shaped).dtype : a.dtype;
    const left = this.#term(a, dtype);
    const right = this.#term(b, dtype);
    return this.node(op, [left, right], null, broadcastShape(left.shape, right.shape), dtype);
  }

  add(a: Term, b: Term): Value {
    return this.#arithmetic('Add', a, b);
  }
  sub(a: Term, b: Term): Value {
    return this.#arithmetic('Sub', a, b);
  }
  mul(a: Term, b: Term): Value {
    return this.#arithmetic('Mul', a, b);
  }
  div(a: Term, b: Term): Value {
    return this.#arithmetic('Div', a, b);
  }

  compare(op: ComparisonOperator, a: Value, b: Term): Value {
    const right = this.#term(b, a.dtype);
    return this.node(op, [a, right], null, broadcastShape(a.shape, right.shape), 'bool');
  }

  /** Which elements are NaN, or infinite. */
  test(op: 'IsInf' | 'IsNaN', x: Value): Value {
    return this.node(op, [x], null, x.shape, 'bool');
  }

  /** Both or either of two bool values. */
  logic(op: 'And' | 'Or', a: Value, b: Value): Value {
    return this.node(op, [a, b], null, broadcastShape(a.shape, b.shape), 'bool');
  }

  /** condition ? a : b, broadcasting. */
  where(condition: Value, a: Term, b: Term): Value {
    const dtype = typeof a === 'number' ? (typeof b === 'number' ? 'float32' : b.dtype) : a.dtype;
    const left = this.#term(a, dtype);
    const right = this.#term(b, dtype);
    const shape = broadcastShape(condition.shape, broadcastShape(left.shape, right.shape));
    return this.node('Where', [condition, left, right], null, shape, dtype);
  }

  /** Converts as ONNX does: float to int truncates, non-zero is true. The same value when the dtype is the same. */
  cast(x: Value, dtype: ElementType): Value {
    if (x.dtype === dtype) return x;
    return this.node('Cast', [x], { to: dtype }, x.shape, dtype);
  }

  /** The same value when the shape is the same. A pending reshape of `x` is skipped over, or undone. */
  reshape(given: Value, shape: number[]): Value {
    if (sameShape(given.shape, shape)) return given;
    const x = this.#beforeReshapes(given);
    if (sameShape(x.shape, shape)) return x;
    const empty = sizeOf(shape) === 0 ? { allowzero: true } : null;
    return this.node('Reshape', [x, this.int64(shape)], empty, shape, x.dtype);
  }

  #beforeReshapes(x: Value): Value {
    let value = x;
    while (value.node && this.#recorder.operations.get(value.node.op).name === 'Reshape') {
      value = value.node.inputs[0] as Value;
    }
    return value;
  }

  transpose(x: Value, perm: readonly number[]): Value {
    if (perm.every((axis, i) => axis === i)) return x;
    const shape = perm.map((axis) => x.shape[axis]!);
    return this.node('Transpose', [x], { perm }, shape, x.dtype);
  }

  /** x[begin : begin + size] on all axes. */
  slice(x: Value, begin: readonly number[], size: readonly number[]): Value {
    if (sameShape(x.shape, size)) return x;
    const axes = begin.map((_, axis) => axis).filter((axis) => size[axis] !== x.shape[axis]);
    const starts = this.int64(axes.map((axis) => begin[axis]!));
    const ends = this.int64(axes.map((axis) => begin[axis]! + size[axis]!));
    return this.node('Slice', [x, starts, ends, this.int64(axes)], null, size.slice(), x.dtype);
  }

  /** x[starts : ends : steps] on the given axes; a negative step counts down, to `beforeFirst` to take the first too. */
  steps(x: Value, slice: SteppedSlice, shape: number[]): Value {
    const { starts, ends, axes, steps } = slice;
    const operands = [x, this.int64(starts), this.int64(ends), this.int64(axes), this.int64(steps)];
    return this.node('Slice', operands, null, shape, x.dtype);
  }

  reverse(x: Value, axes: readonly number[]): Value {
    const all = (n: number): number[] => axes.map(() => n);
    return this.steps(x, { starts: all(-1), ends: all(beforeFirst), axes, steps: all(-1) }, x.shape);
  }

  /** Equal parts along an axis, in one node. */
  split(x: Value, parts: number, axis = 0): Value[] {
    if (parts === 1) return [x];
    const shape = x.shape.slice();
    shape[axis] = shape[axis]! / parts;
    const outputs = Array.from({ length: parts }, () => [shape, x.dtype] as const);
    return this.nodes('Split', [x], { axis, num_outputs: parts }, outputs);
  }

  /** Parts of the given sizes along an axis, in one node. */
  splitSizes(x: Value, sizes: readonly number[], axis: number): Value[] {
    if (sizes.length === 1) return [x];
    const outputs = sizes.map((size) => [x.shape.map((n, i) => (i === axis ? size : n)), x.dtype] as const);
    return this.nodes('Split', [x, this.int64(sizes)], { axis }, outputs);
  }

  concat(parts: readonly (Value | Constant)[], axis: number): Value {
    const [first] = parts;
    if (parts.length === 1 && first instanceof Value) return first;
    const shape = first!.shape.slice();
    shape[axis] = parts.reduce((sum, part) => sum + part.shape[axis]!, 0);
    return this.node('Concat', parts, { axis }, shape, first!.dtype);
  }

  /** Zeros (or `value`) around x: `pads` is [before, after] for each axis. */
  pad(x: Value, pads: readonly (readonly [number, number])[], value = 0): Value {
    if (pads.every(([before, after]) => before === 0 && after === 0)) return x;
    const flat = this.int64([...pads.map((p) => p[0]), ...pads.map((p) => p[1])]);
    const shape = x.shape.map((n, i) => n + pads[i]![0] + pads[i]![1]);
    return this.node('Pad', [x, flat, this.scalar(value, x.dtype)], null, shape, x.dtype);
  }

  expand(x: Value | Constant, shape: number[]): Value {
    return this.node('Expand', [x, this.int64(shape)], null, shape, x.dtype);
  }

  /** A value of equal elements; `value` may change between runs without a new compile. */
  full(shape: number[], value: number, dtype: 'float32' | 'int32' | 'bool' = 'float32'): Value {
    return this.expand(this.number(value, dtype), shape);
  }

  /** A reduction over `axes`; the same value when there are none. */
  reduce(op: ReductionOperator, x: Value, axes: readonly number[], keepDims: boolean): Value {
    if (axes.length === 0) return x;
    const shape = keepDims
      ? x.shape.map((n, i) => (axes.includes(i) ? 1 : n))
      : x.shape.filter((_, i) => !axes.includes(i));
    return this.node(op, [x, this.int64(axes)], { keepdims: keepDims }, shape, x.dtype);
  }

  /** alpha * op(a) op(b) on the last two axes; batch axes broadcast. Transposes and alpha cost nothing. */
  matmul(a: Shaped, b: Shaped, { transA = false, transB = false, alpha = 1 }: ProductOptions = {}): Value {
    const rows = a.shape.at(transA ? -1 : -2)!;
    const columns = b.shape.at(transB ? -2 : -1)!;
    const shape = [...broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2)), rows, columns];
    if (!transA && !transB && alpha === 1) return this.node('MatMul', [a, b], null, shape, a.dtype);
    return this.node('FusedMatMul', [a, b], { transA, transB, alpha }, shape, a.dtype);
  }

  /** alpha * op(a) op(b) + c for matrices; c broadcasts to the result (a bias) or is accumulated into. */
  gemm(a: Shaped, b: Shaped, c: Shaped | null = null, options: ProductOptions = {}): Value {
    const { transA = false, transB = false, alpha = 1 } = options;
    const shape = [a.shape[transA ? 1 : 0]!, b.shape[transB ? 0 : 1]!];
    return this.node('Gemm', c ? [a, b, c] : [a, b], { transA, transB, alpha }, shape, a.dtype);
  }
}

/** The shape of an element-wise result. Throws when two dimensions differ and neither is 1. */
export function broadcastShape(a: number[], b: number[]): number[] {
  if (sameShape(a, b) || b.length === 0) return a;
  if (a.length === 0) return b;
  const rank = Math.max(a.length, b.length);
  const shape = new Array<number>(rank);
  for (let i = 1; i <= rank; i++) {
    const m = a[a.length - i] ?? 1;
    const n = b[b.length - i] ?? 1;
    if (m !== n && m !== 1 && n !== 1) throw new Error(`shapes [${a}] and [${b}] do not broadcast: ${m} against ${n}`);
    shape[rank - i] = m === 1 ? n : m;
  }
  return shape;
}
