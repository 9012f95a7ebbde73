import { type Tensor, tf } from '../../engine/tf.ts';
import { elementCount } from '../../io/internal.ts';
import type { Weights } from '../../nn/index.ts';
import type { Gradients } from './gradients.ts';

/** Settings of Muon. */
export interface MuonSettings {
  /** Learning rate as a multiple of the learner's own, which its schedule moves. @defaultValue 1 */
  rate?: number;
  /** Decay of the momentum. @defaultValue 0.95 */
  momentum?: number;
}

/** Coefficients of the quintic iteration that drives singular values towards 1. Source: Jordan et al., Muon (2024). */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const ITERATIONS = 5;

/** Whether Muon trains a weight: matrices between hidden states, no embeddings, heads, norms or biases. */
export function isHidden(name: string, { shape }: Tensor): boolean {
  return (
    shape.length >= 2 &&
    Math.min(shape[0]!, elementCount(shape) / shape[0]!) > 1 &&
    /^(blocks|encoder|decoder)\./.test(name)
  );
}

/**
 * The nearest semi-orthogonal matrix of `x` [M, N], roughly: five Newton-Schulz steps `X ← aX + (bS + cS²)X`,
 * `S = XXᵀ`, on `x / ‖x‖`; singular values end within about 0.7 to 1.2. Source: Jordan et al., Muon (2024).
 */
export function orthogonalise(x: Tensor): Tensor {
  return tf.tidy(() => {
    const [rows, columns] = x.shape as [number, number];
    const isTall = rows > columns;
    const wide = isTall ? tf.transpose(x) : x;
    let y: Tensor = tf.div(wide, tf.add(tf.sqrt(tf.sum(tf.square(wide))), 1e-7));
    for (let i = 0; i < ITERATIONS; i++) {
      const square = tf.matMul(y as never, y as never, false, true);
      const mixed = tf.add(tf.mul(square, B), tf.mul(tf.matMul(square as never, square as never), C));
      y = tf.add(tf.mul(y, A), tf.matMul(mixed as never, y as never));
    }
    return isTall ? tf.transpose(y) : y;
  });
}

/**
 * One update in tensor operations, in place: `m ← μ·m + (1-μ)·g`, `w ← w - lr·0.2·√max(M, N)·orthogonal(g + μ(m - g))`.
 * The factor gives updates the size of AdamW's, so that both share one learning rate. Weights of more than two axes
 * count as matrices [out, rest]. Source: Jordan et al., Muon (2024); scale from Liu et al., arXiv 2502.16982.
 */
export function apply(
  momenta: Weights,
  weights: Weights,
  gradients: Gradients,
  { lr, gradScale, rate = 1, momentum = 0.95 }: MuonSettings & { lr: Tensor; gradScale: Tensor },
): void {
  for (const [name, gradient] of gradients) {
    tf.tidy(() => {
      const [weight, buffer] = [weights.get(name), momenta.get(name)];
      const scaled = tf.mul(gradient, gradScale);
      const average = tf.add(tf.mul(buffer, momentum), tf.mul(scaled, 1 - momentum));
      const ahead = tf.add(tf.mul(average, momentum), tf.mul(scaled, 1 - momentum));
      const matrix: [number, number] = [weight.shape[0]!, elementCount(weight.shape) / weight.shape[0]!];
      const direction = orthogonalise(tf.reshape(ahead, matrix));
      const length = tf.mul(lr, rate * 0.2 * Math.sqrt(Math.max(...matrix)));
      buffer.assign(average as never);
      weight.assign(tf.sub(weight, tf.mul(tf.reshape(direction, weight.shape), length)) as never);
    });
  }
}
