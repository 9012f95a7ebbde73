import { type Tensor, type Tensor2D, tf } from '../tf.ts';
import { expectRank, expectShape, lastAxis } from './check.ts';
import { fused } from './dispatch.ts';

/**
 * Linear layer in PyTorch's layout: y = x Wᵀ + b.
 *
 * @param x - [..., In]
 * @param weight - [Out, In]
 * @param bias - [Out], or null for none
 * @returns [..., Out]
 * @throws when the last axis of `x` is not In, or when the bias is not [Out]
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  expectRank('linear', 'x', x, 1);
  expectShape('linear', 'weight', weight, ['Out', lastAxis(x)]);
  const out = weight.shape[0] as number;
  if (bias) expectShape('linear', 'bias', bias, [out]);
  return fused({
    name: 'fused.linear',
    inputs: bias ? { x, weight, bias } : { x, weight },
    reference: () => linearReference(x, weight, bias),
  });
}

function linearReference(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  const [out, width] = weight.shape as [number, number];
  const rows = tf.reshape(x, [-1, width]); // [..., In] -> [M, In]
  const product = tf.matMul(rows as Tensor2D, weight as Tensor2D, false, true);
  const shifted = bias ? tf.add(product, bias) : product;
  return tf.reshape(shifted, [...x.shape.slice(0, -1), out]); // [M, Out] -> [..., Out]
}
