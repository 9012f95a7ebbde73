/**
 * How a kernel of the engines that run graphs is written:
 *
 *     const rsqrt = defineKernel<{ x: Value }>('Rsqrt', ({ inputs: { x } }, g) =>
 *       g.map('Reciprocal', g.map('Sqrt', x)),
 *     );
 *
 * - `name` is the kernel's name in TensorFlow.js. Kernels of fused operations are written by `defineFused`
 *   below, which knows their types.
 * - The body gets the inputs as `Value`s with known `shape` and `dtype` (an array of them for kernels like Concat,
 *   which take a list), the attributes, and the `GraphBuilder` `g` (../graph/builder.ts) to write nodes with. It
 *   returns the value of the result, or an array of values; an input may be returned as it is.
 * - The body runs at each call of the operation and must be quick; it must check shapes and throw at once when
 *   they are wrong. It must not read data. It must not keep values between calls.
 * - Emitting the same node twice is free: equal nodes are merged when a graph is compiled, so a gradient kernel
 *   may write the forward nodes again instead of saving their results.
 * - `{ dataDependent: true }` marks kernels that can fail on the data (an index out of range): the calling line is
 *   then remembered for the error.
 *
 * A definition does nothing by itself: lists of definitions are registered when an engine is started. Fused kernels
 * are listed in fused/index.ts, kernels of TensorFlow.js in kernels/index.ts.
 */
import type { GraphBuilder, Value } from '../graph/index.ts';
import { type FusedName, type FusedOperations, kernelNames } from '../ops/index.ts';

/** A call of a kernel: its input values and its attributes. */
export interface KernelCall<Inputs, Attributes> {
  readonly inputs: Inputs;
  readonly attrs: Attributes;
}

export type KernelBody<Inputs, Attributes> = (call: KernelCall<Inputs, Attributes>, g: GraphBuilder) => Value | Value[];

export interface KernelDefinition {
  readonly name: string;
  readonly body: KernelBody<unknown, unknown>;
  readonly dataDependent: boolean;
}

/** Describes a kernel; see the head of this file. */
export function defineKernel<Inputs = Record<string, Value>, Attributes = object>(
  name: string,
  body: KernelBody<Inputs, Attributes>,
  options: { dataDependent?: boolean } = {},
): KernelDefinition {
  return { name, body: body as KernelBody<unknown, unknown>, dataDependent: options.dataDependent ?? false };
}

type Rows = FusedOperations<Value>;

/** The operands of a fused operation in the recorded graph. */
export type Operands<Name extends FusedName> = Rows[Name]['inputs'] & Rows[Name]['constants'];

/** The gradient of the result. */
export interface Upstream {
  dy: Value;
}

/** The kernels of a fused operation: its result, and one gradient for each of its inputs, in order. */
export interface FusedKernel<Name extends FusedName> {
  forward(operands: Operands<Name>, attributes: Rows[Name]['attributes'], g: GraphBuilder): Rows[Name]['result'];
  /** Updates of weights have none. */
  gradient?(operands: Operands<Name> & Upstream, attributes: Rows[Name]['attributes'], g: GraphBuilder): Value[];
}

/** Definitions of the kernels of a fused operation. */
export function defineFused<Name extends FusedName>(name: Name, kernel: FusedKernel<Name>): KernelDefinition[] {
  const { forward, gradient } = kernelNames(name);
  type Call<Extra> = KernelCall<Operands<Name> & Extra, Rows[Name]['attributes']>;
  return [
    defineKernel(forward, ({ inputs, attrs }: Call<object>, g) => kernel.forward(inputs, attrs, g)),
    ...(kernel.gradient
      ? [defineKernel(gradient, ({ inputs, attrs }: Call<Upstream>, g) => kernel.gradient!(inputs, attrs, g))]
      : []),
  ];
}
