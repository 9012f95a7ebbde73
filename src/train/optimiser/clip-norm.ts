import { type Tensor, tf } from '../../engine/tf.ts';
import type { Gradients } from './gradients.ts';

/** What clipping measured; all scalars, in the graph. */
export interface Clip {
  /** Total 2-norm over all gradients before clipping. */
  norm: Tensor;
  /** Factor of every gradient. */
  scale: Tensor;
  /** 1 when the norm exceeded the bound, else 0. */
  clipped: Tensor;
}

/** Total 2-norm over all tensors: `sqrt(Σ g²)`, a scalar. */
export function globalNorm(gradients: Gradients): Tensor {
  if (gradients.size === 0) throw new Error('there are no gradients: does the loss depend on the weights?');
  return tf.tidy(() => tf.addN([...gradients.values()].map((gradient) => gradient.square().sum())).sqrt());
}

/**
 * Norm of all gradients and the factor `min(1, maxNorm / (norm + 1e-6))` that clips them; with `maxNorm` null the norm
 * is only measured. Nothing is read back. Source: torch.nn.utils.clip_grad_norm_.
 */
export function measureClip(gradients: Gradients, maxNorm: number | null): Clip {
  const norm = globalNorm(gradients);
  if (maxNorm === null) return { norm, scale: tf.scalar(1), clipped: tf.scalar(0) };
  const scale = tf.tidy(() => tf.minimum(1, tf.div(maxNorm, norm.add(1e-6))));
  return { norm, scale, clipped: tf.tidy(() => tf.less(scale, 1).toFloat()) };
}

/** The gradients scaled so that their total norm is at most `maxNorm`, with the norm before it. */
export function clipByGlobalNorm(gradients: Gradients, maxNorm: number): Clip & { gradients: Gradients } {
  const clip = measureClip(gradients, maxNorm);
  return { ...clip, gradients: new Map([...gradients].map(([name, gradient]) => [name, gradient.mul(clip.scale)])) };
}
