/** The few-step student as a policy: every denoising step but the last draws its result from a normal distribution. */
import { type Tensor, tf } from '../../engine/tf.ts';

/** Neighbours by `size`. */
export function groupsOf<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: all.length / size }, (_, i) => all.slice(i * size, (i + 1) * size));
}

/** Population standard deviation. */
export function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

/**
 * Log density `[B]` of a step's result, in mean over its values and without its constant: re-noising draws
 * `next ~ N((1 - σ') x̂0, σ'² I)`, so `log p = -mean (next - (1 - σ') x̂0)² / (2 σ'²)`.
 *
 * @param sigma - the noise level σ' after the step
 */
export function stepLogDensity(next: Tensor, x0: Tensor, sigma: number): Tensor {
  return tf.tidy(() => {
    const error = tf.square(tf.sub(next, tf.mul(x0, 1 - sigma)));
    return tf.div(meanOfEach(error), -2 * sigma ** 2);
  });
}

/** Divergence `[B]` of two such steps with the same noise: `mean ((1 - σ') (a - b))² / (2 σ'²)`. */
export function stepDivergence(a: Tensor, b: Tensor, sigma: number): Tensor {
  return tf.tidy(() => tf.mul(meanOfEach(tf.square(tf.sub(a, b))), (1 - sigma) ** 2 / (2 * sigma ** 2)));
}

/** `[B, ...]` -> `[B]` */
function meanOfEach(x: Tensor): Tensor {
  return tf.mean(tf.reshape(x, [x.shape[0]!, -1]), 1);
}

/**
 * `(R - mean) / deviation` within each group of `samples` clips of one prompt; 0 where a group's scores are equal.
 * Source: Shao et al. 2024, arXiv 2402.03300 (GRPO).
 */
export function groupAdvantages(scores: readonly number[], samples: number): number[] {
  return groupsOf(scores, samples).flatMap((group) => {
    const mean = group.reduce((sum, score) => sum + score, 0) / group.length;
    const std = deviation(group);
    return group.map((score) => (std > 1e-6 ? (score - mean) / std : 0));
  });
}

/** The clipped objective and what it did. */
export interface PolicyLoss {
  loss: Tensor;
  /** Share of clips whose ratio left the clip range. */
  outside: Tensor;
}

/**
 * `-mean min(r A, clip(r, 1 - clipRange, 1 + clipRange) A)` with `r = exp(log p - log p_old)`. `now` and `old` are `[B]`; `old` is
 * a constant. Source: Schulman et al. 2017, arXiv 1707.06347.
 */
export function policyLoss(now: Tensor, old: Tensor, advantages: Tensor, clipRange: number): PolicyLoss {
  const ratio = tf.exp(tf.sub(now, old));
  const cut = tf.clipByValue(ratio, 1 - clipRange, 1 + clipRange);
  const gain = tf.minimum(tf.mul(ratio, advantages), tf.mul(cut, advantages));
  return { loss: tf.neg(tf.mean(gain)), outside: tf.mean(tf.notEqual(ratio, cut).toFloat()) };
}
