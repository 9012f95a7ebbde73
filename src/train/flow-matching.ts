import { type Tensor, tf } from '../engine/tf.ts';
import type { Key } from '../nn/random.ts';

/** How noise levels of training samples are drawn. */
export type TimestepSampling =
  | { kind: 'uniform' /** Shift of the density towards noise. @defaultValue 1 */; shift?: number }
  | { kind: 'logit-normal'; mean?: number; deviation?: number; shift?: number };

/** Move noise levels towards 1: `σ' = s·σ / (1 + (s-1)·σ)`. */
export function shiftSigma(sigma: number, shift: number): number {
  return (shift * sigma) / (1 + (shift - 1) * sigma);
}

/** Noise levels in (0, 1), one per sample: uniform or `sigmoid(mean + deviation·n)`, then shifted. */
export function drawSigmas(random: Key, count: number, sampling: TimestepSampling): Float32Array {
  const { shift = 1 } = sampling;
  const uniform = (u: number): number => u;
  const logistic = (n: number): number => {
    const { mean = 0, deviation = 1 } = sampling as { mean?: number; deviation?: number };
    return 1 / (1 + Math.exp(-(mean + deviation * n)));
  };
  const [draw, map] =
    sampling.kind === 'uniform' ? [random.uniform([count]), uniform] : [random.normal([count]), logistic];
  return Float32Array.from(draw.data, (value) => shiftSigma(map(value), shift));
}

/** Append axes of length 1, so that a value per sample `[B]` (or per frame `[B, F]`) broadcasts over `like`. */
export function perSample(values: Tensor, like: Tensor): Tensor {
  return values.reshape([...values.shape, ...Array<number>(like.rank - values.rank).fill(1)]);
}

/** Noised data `(1-σ)·x0 + σ·ε`; `sigma` is `[B]` or `[B, F]`. */
export function addNoise(x0: Tensor, noise: Tensor, sigma: Tensor): Tensor {
  const level = perSample(sigma, x0);
  return x0.mul(tf.sub(1, level)).add(noise.mul(level));
}

/** Clean estimate `x_σ - σ·v`; `sigma` is `[B]` or `[B, F]`. */
export function cleanFromVelocity(x: Tensor, velocity: Tensor, sigma: Tensor): Tensor {
  return x.sub(velocity.mul(perSample(sigma, x)));
}

/** Velocity `(x_σ - x0)/σ`; `sigma` is `[B]` or `[B, F]` and not 0. */
export function velocityFromClean(x: Tensor, x0: Tensor, sigma: Tensor): Tensor {
  return x.sub(x0).div(perSample(sigma, x));
}

/**
 * Flow matching: `mean((v̂ - (ε - x0))²)`, with an optional weight per sample `[B]` or frame `[B, F]`.
 * The same loss trains a teacher and the fake score (critic) of distribution matching.
 */
export function flowMatchingLoss(velocity: Tensor, x0: Tensor, noise: Tensor, weight?: Tensor): Tensor {
  const error = velocity.sub(noise.sub(x0)).square();
  return (weight ? error.mul(perSample(weight, error)) : error).mean();
}

/** Regression of the clean estimate, `mean((x̂0 - x0)²)`: the other form of the critic's loss. */
export function cleanLoss(estimate: Tensor, x0: Tensor): Tensor {
  return estimate.sub(x0).square().mean();
}

/**
 * Weight of each entry of a timestep table for plain diffusion training: a Gaussian around 500 lowered to 0 at its
 * minimum and scaled to sum to 1000. Source: Wan/Self-Forcing FlowMatchScheduler, `exp(-2((t-500)/1000)²)`.
 */
export function trainingWeights(timesteps: ArrayLike<number>): Float64Array {
  const bell = Float64Array.from(timesteps, (t) => Math.exp(-2 * ((t - 500) / 1000) ** 2));
  const low = bell.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const total = bell.reduce((sum, value) => sum + (value - low), 0);
  return bell.map((value) => ((value - low) * 1000) / total);
}
