import { type Tensor, tf } from '../../engine/tf.ts';
import type { Velocity } from './solver.ts';

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
