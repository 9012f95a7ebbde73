import { type Tensor, tf } from '../../engine/tf.ts';
import { shiftSigma } from '../../sampler/index.ts';

/** Range of the noise levels at which the two scores are compared, in timesteps 0..1000. */
export interface DmdTimestepOptions {
  shift: number;
  /** @defaultValue 20 */
  min?: number;
  /** @defaultValue 980 */
  max?: number;
}

/** Timestep for a raw draw `u` in 0..999: `clamp(1000·shift(u/1000), min, max)`. Source: Self-Forcing, DMD time. */
export function dmdTimestep(raw: number, { shift, min = 20, max = 980 }: DmdTimestepOptions): number {
  const shifted = shift > 1 ? 1000 * shiftSigma(raw / 1000, shift) : raw;
  return Math.min(max, Math.max(min, shifted));
}

/**
 * Guided clean estimate in the training form, `cond + w·(cond - uncond)`: a usual guidance scale of `1 + w`.
 * Source: Self-Forcing `DMD._compute_kl_grad`.
 */
export function guidedScore(conditional: Tensor, unconditional: Tensor, scale: number): Tensor {
  if (scale === 0) return conditional;
  return conditional.add(conditional.sub(unconditional).mul(scale));
}

/** The direction of distribution matching and what it was divided by. */
export interface DmdGradient {
  /** `(fake - real) / normaliser`, NaN → 0, ±∞ → ± the largest float: shape of `x0`. */
  gradient: Tensor;
  /** `mean |x0 - real|` of each sample, kept dimensions: `[B, 1, ...]`. */
  normaliser: Tensor;
}

/** Clean estimates `[B, ...]` of generated data `x0` by the fake and the real score, and their normalised difference. */
export function dmdGradient(x0: Tensor, fake: Tensor, real: Tensor): DmdGradient {
  const axes = x0.shape.map((_, axis) => axis).slice(1);
  const normaliser = x0.sub(real).abs().mean(axes, true);
  return { gradient: finite(fake.sub(real).div(normaliser)), normaliser };
}

const largest = 3.4028234663852886e38;

function finite(x: Tensor): Tensor {
  return tf.where(tf.isNaN(x), tf.zerosLike(x), tf.minimum(tf.maximum(x, -largest), largest));
}

/**
 * Generator loss `½·mean((x0 - sg(x0 - g))²)`: its value is `½·mean(g²)` and its gradient with respect to `x0` is
 * `g / elements`. A mask of 0 and 1 (shape of `x0`) restricts both to the selected elements. `gradient` is a constant.
 * Source: Yin et al., Distribution Matching Distillation 2; Self-Forcing `compute_distribution_matching_loss`.
 */
export function dmdLoss(x0: Tensor, gradient: Tensor, mask?: Tensor): Tensor {
  const chosen = mask ? mask.toFloat() : tf.onesLike(gradient);
  const back = gradient.mul(chosen).div(chosen.sum());
  const loss = back.mul(gradient).sum().mul(0.5);
  return tf.customGrad((_, save) => {
    (save as (kept: Tensor[]) => void)([back]);
    return { value: loss.clone(), gradFunc: (dy: Tensor, saved: Tensor[]) => dy.mul(saved[0] as Tensor) };
  })(x0);
}
