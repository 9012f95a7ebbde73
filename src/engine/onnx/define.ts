/**
 * How a kernel of the onnx engine is written:
 *
 *     export const silu: KernelDefinition = defineKernel<{ x: Value }>('FusedSilu', ({ inputs: { x } }, g) =>
 *       g.mul(x, g.map('Sigmoid', x)),
 *     );
 *
 * - `name` is the kernel's name in TensorFlow.js: one of its own ('MatMul', 'Sum', ...) or a new one, called by
 *   `tf.engine().runKernel('FusedSilu', { x }, attrs)`. `tf.getKernel(name, tf.getBackend())` tells whether the
 *   current engine has it.
 * - The body gets the inputs as `Value`s with known `shape` and `dtype` (an array of them for kernels like Concat,
 *   which take a list), the attributes, and the `GraphBuilder` `g` (builder.ts) to write nodes with. It returns the
 *   value of the result, or an array of values; an input may be returned as it is.
 * - The body runs at each call of the operation and must be quick; it must check shapes and throw at once when
 *   they are wrong. It must not read data. It must not keep values between calls.
 * - Emitting the same node twice is free: equal nodes are merged when a graph is compiled, so a gradient kernel
 *   may write the forward nodes again instead of saving their results.
 * - `{ dataDependent: true }` marks kernels that can fail on the data (an index out of range): the calling line is
 *   then remembered for the error.
 *
 * A definition does nothing by itself: lists of definitions are registered when the engine is chosen. Fused kernels
 * are listed in fused/index.ts, kernels of TensorFlow.js in kernels/index.ts.
 */
import type { GraphBuilder } from './builder.ts';
import type { Value } from './value.ts';

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
