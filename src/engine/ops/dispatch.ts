/**
 * How a fused operation finds its kernel. An engine speeds an operation up by registering two tfjs kernels
 * for its backend: `NAME`, which takes the operation's inputs and returns the value, and `NAME.grad`, which
 * takes the same inputs with `dy` and returns one gradient for each differentiable input, in order. Where
 * the current backend has none, the reference composition of plain operations runs and tfjs differentiates it.
 */
import { isTapeOn } from '../state.ts';
import { type NamedTensorMap, type Tensor, tf } from '../tf.ts';

/** Plain values that parametrise a kernel. */
export type Attributes = Readonly<Record<string, unknown>>;

/** What an operation hands to its kernel or to its reference. */
export interface FusedCall {
  /** Kernel name, for example `fused.linear`. */
  readonly name: string;
  /** Tensors with a gradient. */
  readonly inputs: NamedTensorMap;
  /** Tensors without a gradient, for example a mask. */
  readonly constants?: NamedTensorMap;
  readonly attributes?: Attributes;
  /** The same function as a composition of differentiable tfjs operations. */
  readonly reference: () => Tensor;
}

/** True when the current backend registered a native kernel of this name. */
export function hasNative(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) !== undefined;
}

/** Runs a kernel of the current backend that is no part of tfjs's own set. */
export function runNative<R extends Tensor | Tensor[]>(
  name: string,
  inputs: NamedTensorMap,
  attributes?: Attributes,
): R {
  return tf.engine().runKernel(name, inputs, attributes as never) as R;
}

/** Runs the native kernel with its native gradient if the backend has one, and the reference otherwise. */
export function fused(call: FusedCall): Tensor {
  if (!hasNative(call.name)) return call.reference();
  if (isTapeOn()) return differentiable(call);
  return runNative(call.name, { ...call.inputs, ...call.constants }, call.attributes);
}

function differentiable({ name, inputs, constants = {}, attributes }: FusedCall): Tensor {
  const keys = Object.keys(inputs);
  const fixed = Object.keys(constants);
  const named = (tensors: Tensor[]): NamedTensorMap =>
    Object.fromEntries([...keys, ...fixed].map((key, i) => [key, tensors[i] as Tensor]));
  const run = tf.customGrad((...args) => {
    const save = args.pop() as unknown as (tensors: Tensor[]) => void;
    const all = [...(args as Tensor[]), ...Object.values(constants)];
    const value = runNative<Tensor>(name, named(all), attributes);
    save(all);
    const gradFunc = (dy: Tensor, saved: Tensor[]): Tensor[] =>
      runNative<Tensor[]>(`${name}.grad`, { ...named(saved), dy }, attributes);
    return { value, gradFunc };
  });
  return run(...Object.values(inputs));
}
