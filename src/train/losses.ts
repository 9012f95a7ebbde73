/** Losses of clean and noised latents, and of a few-step student as a policy, whose steps but the last draw from normal distributions. */
import { type Tensor, tf } from '../engine/tf.ts';
import type { Key } from '../nn/index.ts';
import { meanAndStd } from '../reward/internal.ts';
import { shiftSigma } from '../sampler/internal.ts';
import { checkChoice, checkNumber } from './ingredients.ts';

/** How the noise levels of training samples are drawn; `shift` moves them towards noise. */
export type SigmaSampling =
  | { kind: 'uniform' /** @defaultValue 1, not at all */; shift?: number }
  | { kind: 'logit-normal' /** @defaultValue 0 */; mean?: number /** @defaultValue 1 */; std?: number; shift?: number };

export function settleSampling(sampling: SigmaSampling): Required<SigmaSampling> {
  checkChoice('sampling.kind', sampling.kind, ['uniform', 'logit-normal']);
  const shift = checkNumber('sampling.shift', sampling.shift ?? 1, { above: 0 });
  if (sampling.kind === 'uniform') return { kind: 'uniform', shift };
  const mean = checkNumber('sampling.mean', sampling.mean ?? 0);
  return { kind: 'logit-normal', mean, std: checkNumber('sampling.std', sampling.std ?? 1, { above: 0 }), shift };
}

/** Noise levels in [0, 1), one for each of `count` samples: uniform, or `sigmoid(mean + std·n)`, then shifted. */
export function drawSigmas(random: Key, count: number, sampling: SigmaSampling): Float32Array {
  const settled = settleSampling(sampling);
  return levels(random, count, settled).map((sigma) => shiftSigma(sigma, settled.shift));
}

function levels(random: Key, count: number, sampling: Required<SigmaSampling>): Float32Array {
  if (sampling.kind === 'uniform') return random.uniform([count]).data;
  return random.normal([count], sampling.mean, sampling.std).data.map((logit) => 1 / (1 + Math.exp(-logit)));
}

/** Values per sample `[B]` or frame `[B, F]` with axes of length 1 appended, so that they broadcast over `like`. */
export function spread(values: Tensor, like: Tensor): Tensor {
  return values.reshape([...values.shape, ...Array<number>(like.rank - values.rank).fill(1)]);
}

/** Flow matching, `mean((v̂ - (ε - x0))²)`: trains a teacher and the fake score (critic) of distribution matching. */
export function flowMatchingLoss(velocity: Tensor, x0: Tensor, noise: Tensor): Tensor {
  return velocity.sub(noise.sub(x0)).square().mean();
}

/** Timestep `clamp(1000·shift(u/1000))` in 20..980, where the scores are compared, for a raw `u` in 0..999. Source: Self-Forcing. */
export function dmdTimestep(raw: number, shift: number): number {
  const shifted = shift > 1 ? 1000 * shiftSigma(raw / 1000, shift) : raw;
  return Math.min(980, Math.max(20, shifted));
}

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

/**
 * For each sample and block one entry of the step list, shared by the frames of the block: rows `[B]` of `[frames]`.
 * `entries` is the number of states to choose from. Source: CausVid/Self-Forcing ODE regression, diffusion forcing.
 */
export function drawBlockIndices(
  random: Key,
  size: { batch: number; blocks: readonly number[]; entries: number },
): number[][] {
  const { batch, blocks, entries } = size;
  const drawn = random.integers(0, entries, batch * blocks.length);
  return Array.from({ length: batch }, (_, sample) =>
    blocks.flatMap((frames, block) => Array<number>(frames).fill(drawn[sample * blocks.length + block] as number)),
  );
}

/** Frame `f` of sample `b` from state `indices[b][f]`: states `[B, M, F, ...]`, int32 indices `[B, F]` → `[B, F, ...]`. */
export function pickStates(states: Tensor, indices: Tensor): Tensor {
  const [batch = 0, count = 0, frames = 0, ...rest] = states.shape;
  return tf.tidy(() => {
    const rows = states.reshape([batch * count * frames, ...rest]); // [B·M·F, ...]
    const sample = tf
      .range(0, batch, 1, 'int32')
      .mul(tf.scalar(count * frames, 'int32'))
      .reshape([batch, 1]);
    const frame = tf.range(0, frames, 1, 'int32').reshape([1, frames]);
    const position = indices.mul(tf.scalar(frames, 'int32')).add(sample).add(frame); // [B, F]
    return rows.gather(position.reshape([batch * frames]).toInt()).reshape([batch, frames, ...rest]);
  });
}

/**
 * ODE regression: mean squared error of the clean estimate over the frames whose timestep is not 0.
 * `estimate` and `target` `[B, F, ...]`, `timestep` `[B, F]`. Source: CausVid `ODERegression.generator_loss`.
 */
export function odeLoss(estimate: Tensor, target: Tensor, timestep: Tensor): Tensor {
  const error = estimate.sub(target).square();
  const noisy = timestep.notEqual(0).toFloat();
  const perFrame = error.size / noisy.size;
  return error.mul(spread(noisy, error)).sum().div(noisy.sum().mul(perFrame));
}

/** Neighbours by `size`. */
export function groupsOf<T>(all: readonly T[], size: number): T[][] {
  return Array.from({ length: all.length / size }, (_, i) => all.slice(i * size, (i + 1) * size));
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

/** `(R - mean) / deviation` within each group of clips of one prompt; 0 where scores are equal. Source: GRPO, arXiv 2402.03300. */
export function groupAdvantages(scores: readonly number[], samples: number): number[] {
  return groupsOf(scores, samples).flatMap((group) => {
    const { mean, std } = meanAndStd(group);
    return group.map((score) => (std > 1e-6 ? (score - mean) / std : 0));
  });
}

/**
 * `-mean min(r A, clip(r, 1 - clipRange, 1 + clipRange) A)` with `r = exp(log p - log p_old)`. `now` and `old` are `[B]`; `old` is
 * a constant, `outside` the share of clips whose ratio left the range. Source: Schulman et al. 2017, arXiv 1707.06347.
 */
export function policyLoss(
  now: Tensor,
  old: Tensor,
  advantages: Tensor,
  clipRange: number,
): Record<'loss' | 'outside', Tensor> {
  const ratio = tf.exp(tf.sub(now, old));
  const cut = tf.clipByValue(ratio, 1 - clipRange, 1 + clipRange);
  const gain = tf.minimum(tf.mul(ratio, advantages), tf.mul(cut, advantages));
  return { loss: tf.neg(tf.mean(gain)), outside: tf.mean(tf.notEqual(ratio, cut).toFloat()) };
}
