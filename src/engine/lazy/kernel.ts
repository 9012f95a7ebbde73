/**
 * How a kernel of the engines that run graphs is written: an entry of a map, under its name in TensorFlow.js.
 *
 *     Rsqrt: ({ x }: { x: Value }, _, g) => g.map('Reciprocal', g.map('Sqrt', x)),
 *
 * - It gets the inputs as `Value`s with known `shape` and `dtype` (an array of them for kernels like Concat, which take a
 *   list), the attributes, and the `GraphBuilder` `g` (../graph/builder.ts) to write nodes with. It returns the value of
 *   the result, or an array of values; an input may be returned as it is.
 * - It runs at each call of the operation and must be quick; it must check shapes and throw at once when they are wrong.
 *   It must not read data. It must not keep values between calls.
 * - Emitting the same node twice is free: equal nodes are merged when a graph is compiled, so a gradient kernel may write
 *   the forward nodes again instead of saving their results.
 * - Kernels that can fail on the data (an index out of range) are named in kernels/positions.ts: the calling line is then
 *   remembered for the error.
 *
 * Fused kernels are listed in fused/index.ts, kernels of TensorFlow.js in kernels/index.ts.
 */
import type { GraphBuilder, Value } from '../graph/index.ts';
import type { FusedName, FusedOperations } from '../ops/index.ts';

/** See the head of this file; each kernel knows the types of its own inputs and attributes. */
export type Kernel = (inputs: never, attrs: never, g: GraphBuilder) => Value | Value[];

export type Kernels = Readonly<Record<string, Kernel>>;

/** The one input of many kernels. */
export interface X {
  x: Value;
}

type Rows = FusedOperations<Value>;

/** The operands of a fused operation in the recorded graph. */
export type Operands<Name extends FusedName> = Rows[Name]['inputs'] & Rows[Name]['constants'];

export interface Upstream {
  dy: Value;
}

/** The kernels of a fused operation: its result, and one gradient for each of its inputs, in order. */
export interface FusedKernel<Name extends FusedName> {
  forward(operands: Operands<Name>, attributes: Rows[Name]['attributes'], g: GraphBuilder): Rows[Name]['result'];
  /** Updates of weights have none. */
  gradient?(operands: Operands<Name> & Upstream, attributes: Rows[Name]['attributes'], g: GraphBuilder): Value[];
}
