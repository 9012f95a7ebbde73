/** Argument checks of the fused operations: each message names the argument, its shape and the wanted one. */
import type { Tensor } from '../tf.ts';

/** A wanted size: a number, or a letter that stands for any size. */
export type Size = number | string;

/** Throws unless `tensor` has the wanted rank and sizes; letters match any size. */
export function expectShape(operation: string, argument: string, tensor: Tensor, wanted: readonly Size[]): void {
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
