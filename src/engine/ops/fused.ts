/**
 * The fused operations, each a row of a typed map: its operands, its attributes, a reference composition. An engine
 * speeds an operation up by two kernels of its backend: one of the operation's name, which takes the operands and
 * returns the value, and one for the gradient, which takes the same operands with `dy` and returns one gradient for each
 * of `inputs`, in order. Where the current backend has none, the reference runs and TensorFlow.js differentiates it.
 */
import { isTapeOn, type NamedTensorMap, type Tensor, tf } from '../tf.ts';

/** Which formula `gelu` uses. */
export type GeluForm = 'tanh' | 'erf';

/** How the window of a convolution moves over frames, height and width. */
export interface ConvWindow {
  readonly stride: readonly [number, number, number];
  /** Zeros before and after. */
  readonly padding: readonly [Pair, Pair, Pair];
  /** Of height and width. */
  readonly dilation: number;
  readonly groups: number;
}
type Pair = readonly [before: number, after: number];

/** Added to the logit of a masked key: large enough that its probability is exactly 0 in float32. */
export const maskedLogit = -1e9;

/** A row of the map; `T` is a tensor here and a value of the recorded graph in a kernel. */
interface Row<T, Inputs, Attributes = object, Constants = object> {
  /** What has a gradient. */
  inputs: Inputs;
  attributes: Attributes;
  /** What has none, for example a mask. */
  constants: Constants;
  result: T;
}

export interface FusedOperations<T> {
  /** A weight and its moments after a step; without gradient. The scalars are those of all weights: see adamw.ts. */
  adamw: Row<
    [param: T, m: T, v: T],
    Record<'param' | 'grad' | 'm' | 'v' | 'decay' | 'rate' | 'rootCorrection' | 'firstShare' | 'secondShare', T>,
    { beta1: number; beta2: number; eps: number }
  >;
  attention: Row<T, { q: T; k: T; v: T; bias?: T }, { scale: number }, { mask?: T }>;
  /** x `[B, F, H, W, C]`, weight `[Out, C/groups, kT, kH, kW]`. */
  conv: Row<T, { x: T; weight: T; bias?: T }, ConvWindow>;
  gelu: Row<T, { x: T }, { form: GeluForm }>;
  layerNorm: Row<T, { x: T; weight?: T; bias?: T }, { eps: number }>;
  linear: Row<T, { x: T; weight: T; bias?: T }>;
  modulate: Row<T, { x: T; shift: T; scale: T }>;
  rmsNorm: Row<T, { x: T; weight?: T }, { eps: number }>;
  rotary: Row<T, { x: T }, object, { cos: T; sin: T }>;
  silu: Row<T, { x: T }>;
}

export type FusedName = keyof FusedOperations<Tensor>;
type Rows = FusedOperations<Tensor>;

export function kernelNames(name: FusedName): { forward: string; gradient: string } {
  return { forward: `fused.${name}`, gradient: `fused.${name}.grad` };
}

/** Runs a kernel of the current backend that is no part of TensorFlow.js's own set. */
function runKernel<R>(kernel: string, tensors: object, attributes: object): R {
  return tf.engine().runKernel(kernel, tensors as NamedTensorMap, attributes as never) as R;
}

/** The operation: the kernels of the backend where it has them, else the reference. */
export function defineFused<Name extends FusedName>(
  name: Name,
  reference: (
    operands: Rows[Name]['inputs'] & Rows[Name]['constants'],
    attributes: Rows[Name]['attributes'],
  ) => Rows[Name]['result'],
): (
  inputs: Rows[Name]['inputs'],
  attributes: Rows[Name]['attributes'],
  constants?: Rows[Name]['constants'],
) => Rows[Name]['result'] {
  const { forward, gradient } = kernelNames(name);
  return (inputs, attributes, constants = {}) => {
    const has = (kernel: string): boolean => tf.getKernel(kernel, tf.getBackend()) !== undefined;
    if (!has(forward)) return reference({ ...inputs, ...constants }, attributes);
    if (isTapeOn() && has(gradient)) return differentiable(name, inputs, attributes, constants);
    return runKernel(forward, { ...inputs, ...constants }, attributes);
  };
}

function differentiable(name: FusedName, inputs: object, attributes: object, constants: object): Tensor {
  const { forward, gradient } = kernelNames(name);
  const keys = [...Object.keys(inputs), ...Object.keys(constants)];
  const named = (tensors: Tensor[]): NamedTensorMap =>
    Object.fromEntries(keys.map((key, i) => [key, tensors[i] as Tensor]));
  const run = tf.customGrad((...args) => {
    const save = args.pop() as unknown as (tensors: Tensor[]) => void;
    const all = [...(args as Tensor[]), ...(Object.values(constants) as Tensor[])];
    const value = runKernel<Tensor>(forward, named(all), attributes);
    save(all);
    const gradFunc = (dy: Tensor, saved: Tensor[]): Tensor[] =>
      runKernel<Tensor[]>(gradient, { ...named(saved), dy }, attributes);
    return { value, gradFunc };
  });
  return run(...(Object.values(inputs) as Tensor[]));
}

/** Throws unless `tensor` has the wanted rank and sizes; letters match any size. */
export function expectShape(
  operation: string,
  argument: string,
  tensor: Tensor,
  wanted: readonly (number | string)[],
): void {
  const fits =
    tensor.shape.length === wanted.length &&
    wanted.every((size, axis) => typeof size === 'string' || size === tensor.shape[axis]);
  if (fits) return;
  throw new Error(`${operation}: ${argument} has shape [${tensor.shape}], wanted [${wanted.join(', ')}]`);
}

/** Throws unless `tensor` has at least `rank` axes. */
export function expectRank(operation: string, argument: string, tensor: Tensor, rank: number): void {
  if (tensor.shape.length >= rank) return;
  throw new Error(`${operation}: ${argument} has shape [${tensor.shape}], wanted at least ${rank} axes`);
}

/** The size of the last axis. */
export function lastAxis(tensor: Tensor): number {
  return tensor.shape[tensor.shape.length - 1] as number;
}
