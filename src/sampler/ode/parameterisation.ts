/** Velocity, x0 and noise at a noise level, converted into each other in one place; classifier-free guidance. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Velocity } from './solver.ts';

/**
 * A noise level: one number, or a tensor that broadcasts against the samples (see `perFrame`).
 * Conventions: x_sigma = (1 - sigma) x0 + sigma noise, velocity = noise - x0, timestep = 1000 sigma.
 */
export type Sigma = number | Tensor;

/** `(1 - sigma) x0 + sigma noise`: a sample at noise level sigma. */
export function addNoise(x0: Tensor, noise: Tensor, sigma: Sigma): Tensor {
  return tf.tidy(() => x0.mul(complement(sigma)).add(noise.mul(sigma)));
}

/** `x - sigma v`: the clean sample that a velocity at x points to. */
export function velocityToX0(x: Tensor, velocity: Tensor, sigma: Sigma): Tensor {
  return tf.tidy(() => x.sub(velocity.mul(sigma)));
}

/** `(x - x0) / sigma`: the velocity that points from x to x0. Not defined at sigma = 0. */
export function x0ToVelocity(x: Tensor, x0: Tensor, sigma: Sigma): Tensor {
  if (sigma === 0) throw new RangeError('x0ToVelocity: sigma is 0, where x equals x0 and no velocity is defined');
  return tf.tidy(() => x.sub(x0).div(sigma));
}

/** Per-frame numbers [B][F] as a tensor [B, F, 1, 1, 1] that broadcasts against videos [B, F, H, W, C]. */
export function perFrame(values: readonly ArrayLike<number>[]): Tensor {
  const frames = values[0]?.length ?? 0;
  const flat = values.flatMap((row) => Array.from(row));
  return tf.tensor(flat, [values.length, frames, 1, 1, 1], 'float32');
}

function complement(sigma: Sigma): Sigma {
  return typeof sigma === 'number' ? 1 - sigma : tf.sub(1, sigma);
}

/**
 * `unconditional + scale (conditional - unconditional)`, classifier-free guidance (Ho and Salimans 2022).
 * Scale 1 is the conditional prediction alone. Since x0 = x - sigma v is linear, guiding velocities and guiding x0
 * predictions at one noise level are the same. The score guidance w of DMD corresponds to scale 1 + w.
 */
export function guide(conditional: Tensor, unconditional: Tensor, scale: number): Tensor {
  return tf.tidy(() => unconditional.add(conditional.sub(unconditional).mul(scale)));
}

/** A velocity field guided away from `unconditional` (an empty or a negative prompt); at scale 1 that one is not run. */
export function guided(conditional: Velocity, unconditional: Velocity, scale: number): Velocity {
  if (scale === 1) return conditional;
  return (x, t, sigma) => tf.tidy(() => guide(conditional(x, t, sigma), unconditional(x, t, sigma), scale));
}
