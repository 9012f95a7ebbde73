import { type NamedTensorMap, type Tensor, tf } from '../tf.ts';
import { expectRank, expectShape, lastAxis } from './check.ts';
import { fused } from './dispatch.ts';

/**
 * Layer normalisation over the last axis: (x - mean) / sqrt(var + eps) * weight + bias, var biased.
 *
 * @param x - [..., D]
 * @param weight - [D], or null for 1
 * @param bias - [D], or null for 0
 * @returns [..., D]
 */
export function layerNorm(x: Tensor, weight: Tensor | null, bias: Tensor | null, eps: number = 1e-5): Tensor {
  return fused({
    name: 'fused.layerNorm',
    inputs: affine('layerNorm', x, weight, bias),
    attributes: { eps },
    reference: () => {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      return scaleAndShift(normalise(centred, eps), weight, bias);
    },
  });
}

/**
 * Root-mean-square normalisation over the last axis: x / sqrt(mean(x²) + eps) * weight.
 *
 * @param x - [..., D]
 * @param weight - [D], or null for 1
 * @returns [..., D]
 */
export function rmsNorm(x: Tensor, weight: Tensor | null, eps: number = 1e-6): Tensor {
  return fused({
    name: 'fused.rmsNorm',
    inputs: affine('rmsNorm', x, weight, null),
    attributes: { eps },
    reference: () => scaleAndShift(normalise(x, eps), weight, null),
  });
}

/**
 * Adaptive modulation: x * (1 + scale) + shift.
 *
 * @param x - [..., D]
 * @param shift - broadcastable to x, for example [B, 1, D] for [B, L, D], or [B, F, 1, D] for [B, F, L, D]
 * @param scale - as shift
 * @returns the shape of x
 */
export function modulate(x: Tensor, shift: Tensor, scale: Tensor): Tensor {
  expectBroadcastable('shift', shift, x);
  expectBroadcastable('scale', scale, x);
  return fused({
    name: 'fused.modulate',
    inputs: { x, shift, scale },
    reference: () => tf.add(tf.mul(x, tf.add(scale, 1)), shift),
  });
}

function affine(operation: string, x: Tensor, weight: Tensor | null, bias: Tensor | null): NamedTensorMap {
  expectRank(operation, 'x', x, 1);
  if (weight) expectShape(operation, 'weight', weight, [lastAxis(x)]);
  if (bias) expectShape(operation, 'bias', bias, [lastAxis(x)]);
  return { x, ...(weight && { weight }), ...(bias && { bias }) };
}

/** x / sqrt(mean(x²) + eps) over the last axis. */
function normalise(x: Tensor, eps: number): Tensor {
  return tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps)));
}

function scaleAndShift(x: Tensor, weight: Tensor | null, bias: Tensor | null): Tensor {
  const scaled = weight ? tf.mul(x, weight) : x;
  return bias ? tf.add(scaled, bias) : scaled;
}

function expectBroadcastable(argument: string, tensor: Tensor, x: Tensor): void {
  const offset = x.shape.length - tensor.shape.length;
  const fits = offset >= 0 && tensor.shape.every((size, axis) => size === 1 || size === x.shape[axis + offset]);
  if (fits) return;
  throw new Error(`modulate: ${argument} has shape [${tensor.shape}], want one that broadcasts to x [${x.shape}]`);
}
