import type { Tensor } from '../../engine/tf.ts';
import type { Key } from '../../nn/index.ts';
import { shiftSigma } from '../../sampler/index.ts';

/** How the noise levels of training samples are drawn; `shift` moves them towards noise (default 1: not at all). */
export type SigmaSampling =
  | { kind: 'uniform'; shift?: number }
  | { kind: 'logit-normal' /** @defaultValue 0 */; mean?: number /** @defaultValue 1 */; std?: number; shift?: number };

/** Noise levels in [0, 1), one for each of `count` samples: uniform, or `sigmoid(mean + std·n)`, then shifted. */
export function drawSigmas(random: Key, count: number, sampling: SigmaSampling): Float32Array {
  const { shift = 1 } = sampling;
  return levels(random, count, sampling).map((sigma) => shiftSigma(sigma, shift));
}

function levels(random: Key, count: number, sampling: SigmaSampling): Float32Array {
  if (sampling.kind === 'uniform') return random.uniform([count]).data;
  const { mean = 0, std = 1 } = sampling;
  return random.normal([count], mean, std).data.map((logit) => 1 / (1 + Math.exp(-logit)));
}

/** Values per sample `[B]` or frame `[B, F]` with axes of length 1 appended, so that they broadcast over `like`. */
export function spread(values: Tensor, like: Tensor): Tensor {
  return values.reshape([...values.shape, ...Array<number>(like.rank - values.rank).fill(1)]);
}

/**
 * Flow matching: `mean((v̂ - (ε - x0))²)`, with an optional weight per sample `[B]` or frame `[B, F]`.
 * The same loss trains a teacher and the fake score (critic) of distribution matching.
 */
export function flowMatchingLoss(velocity: Tensor, x0: Tensor, noise: Tensor, weight?: Tensor): Tensor {
  const error = velocity.sub(noise.sub(x0)).square();
  return (weight ? error.mul(spread(weight, error)) : error).mean();
}

/** Regression of the clean estimate, `mean((x̂0 - x0)²)`: the other form of the critic's loss. */
export function cleanLoss(estimate: Tensor, x0: Tensor): Tensor {
  return estimate.sub(x0).square().mean();
}
