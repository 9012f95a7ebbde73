import { type Tensor, tf } from '../../engine/tf.ts';
import { elementCount } from '../../io/internal.ts';
import { type Optimiser, zerosLike } from './optimiser.ts';

/** Settings of Muon. */
export interface MuonSettings {
  /** Learning rate as a multiple of the learner's own, which its schedule moves. @defaultValue 1 */
  rate?: number;
  /** Decay of the momentum, in [0, 1). @defaultValue 0.95 */
  momentum?: number;
}

export const muonDefaults: Required<MuonSettings> = { rate: 1, momentum: 0.95 };

/** Coefficients of the quintic iteration that drives singular values towards 1. Source: Jordan et al., Muon (2024). */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const ITERATIONS = 5;

/** Whether a weight is a matrix [out, rest] of more than one row and column, which Muon needs. */
export function isMatrix({ shape }: { shape: readonly number[] }): boolean {
  return shape.length >= 2 && Math.min(...matrixOf(shape)) > 1;
}

function matrixOf(shape: readonly number[]): [number, number] {
  return [shape[0]!, elementCount(shape) / shape[0]!];
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
 * `m ← μ·m + (1-μ)·g`, `w ← w - lr·0.2·√max(M, N)·orthogonal(g + μ(m - g))` for matrices between hidden states.
 * The factor gives updates the size of AdamW's, so that both share one learning rate. Weights of more than two axes
 * count as matrices [out, rest]. Source: Jordan et al., Muon (2024); scale from Liu et al., arXiv 2502.16982.
 */
export function muon(settings: MuonSettings = {}): Optimiser {
  const { rate, momentum } = { ...muonDefaults, ...settings };
  return {
    init: (parameters) => ({ momentum: zerosLike(parameters) }),
    update: (gradients, state, parameters, { lr, gradScale }) => {
      for (const [name, gradient] of gradients) {
        tf.tidy(() => {
          const [weight, buffer] = [parameters.get(name)!, state['momentum']!.get(name)];
          const scaled = gradScale ? tf.mul(gradient, gradScale) : gradient;
          const average = tf.add(tf.mul(buffer, momentum), tf.mul(scaled, 1 - momentum));
          const ahead = tf.add(tf.mul(average, momentum), tf.mul(scaled, 1 - momentum));
          const matrix = matrixOf(weight.shape);
          const direction = orthogonalise(tf.reshape(ahead, matrix));
          const length = tf.mul(lr, rate * 0.2 * Math.sqrt(Math.max(...matrix)));
          buffer.assign(average as never);
          weight.assign(tf.sub(weight, tf.mul(tf.reshape(direction, weight.shape), length)) as never);
        });
      }
    },
  };
}
