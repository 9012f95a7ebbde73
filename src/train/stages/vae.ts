import { type Tensor, tf } from '../../engine/tf.ts';
import { decode, encodePosterior, latentShape, type Posterior, type VaeConfig } from '../../model/vae/index.ts';
import { type HostFloats, toTensor, type Weights, withoutGradient } from '../../nn/index.ts';
import { learnerConfig, type Source, withTensors } from '../ingredients.ts';
import type { Objective } from '../optimiser/gradients.ts';
import { type Average, Learner, type LearnerOptions } from '../optimiser/learner.ts';
import { makeUpdate } from '../optimiser/update.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../run/stage.ts';

/** What training a video autoencoder takes. */
export interface VaeTrainOptions extends RunOptions, LearnerOptions {
  vae: { weights: Weights; config: VaeConfig };
  average?: Average;
  /** Clips `[B, F, H, W, 3]` in [-1, 1]. */
  data: Source<HostFloats>;
  /** Clips per step. */
  batch: number;
  /** Error of the reconstruction: absolute, squared, or their sum. @defaultValue 'l1' */
  loss?: 'l1' | 'l2' | 'l1+l2';
  /** Weight of the divergence from the unit normal; 0 trains a plain autoencoder. @defaultValue 1e-6 */
  klWeight?: number;
  /** Pixels whose brightest channel lies above `above` count `weight` times: for small things on an empty ground. */
  pixelWeight?: { above: number; weight: number };
  /** What learns: the whole, or the decoder alone, which leaves all latents as they are. @defaultValue 'all' */
  parts?: 'all' | 'decoder';
}

/**
 * Train a video autoencoder on clips: `mean|x̂ - x|` (or its square) plus `klWeight · KL(q(z|x) ‖ N(0, 1))`, with
 * latents drawn from the posterior. Changes the weights in place. Afterwards measure `latentStatistics` and put them
 * into the configuration.
 */
export function vae(options: VaeTrainOptions): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

function prepare(options: VaeTrainOptions): Stage {
  const { average = null, batch, loss: kind = 'l1', klWeight = 1e-6, pixelWeight, parts = 'all' } = options;
  const { weights } = options.vae;
  const plain = withoutStatistics(options.vae.config);
  const learner = new Learner('vae', weights, options, average);
  const update = makeUpdate(learner, (video: Tensor, noise: Tensor): Objective => {
    const encoded = (): Posterior => encodePosterior({ weights, config: plain }, video);
    const { mean, logVariance } = parts === 'decoder' ? withoutGradient(encoded) : encoded();
    const bounded = tf.clipByValue(logVariance, -30, 20);
    const latents = klWeight > 0 ? tf.add(mean, tf.mul(noise, tf.exp(tf.mul(bounded, 0.5)))) : mean;
    const error = tf.sub(decode({ weights, config: plain }, latents, { clamp: false }), video);
    const deviation = deviationOf(error, kind);
    const reconstruction = tf.mean(pixelWeight ? tf.mul(deviation, weightOf(video, pixelWeight)) : deviation);
    if (klWeight === 0) return { loss: reconstruction };
    const kl = divergence(mean, bounded);
    return { loss: tf.add(reconstruction, tf.mul(kl, klWeight)), values: { reconstruction, kl } };
  });
  const step: Stage['step'] = async (_, key) => {
    const video = await options.data(key.stream('data'), batch);
    const noise = key.stream('noise').normal(latentsOf(plain, video.shape));
    return [await withTensors({ video, noise }, (t) => update(t.video, t.noise))];
  };
  const config = {
    ...learnerConfig(options, average),
    batch,
    loss: kind,
    klWeight,
    ...(pixelWeight && { pixelWeight }),
    ...(parts !== 'all' && { parts }),
  };
  return { name: 'vae', config, learners: [learner], step, dispose: update.dispose };
}

function deviationOf(error: Tensor, kind: NonNullable<VaeTrainOptions['loss']>): Tensor {
  if (kind === 'l1+l2') return tf.add(tf.abs(error), tf.square(error));
  return kind === 'l1' ? tf.abs(error) : tf.square(error);
}

/** The weight of each pixel [B, F, H, W, 1]. */
function weightOf(video: Tensor, { above, weight }: { above: number; weight: number }): Tensor {
  const lit = tf.cast(tf.greater(tf.max(video, 4, true), above), 'float32');
  return tf.add(tf.mul(lit, weight - 1), 1);
}

/** Shape of the latents of a video `[B, F, H, W, 3]`. */
function latentsOf(config: VaeConfig, [batch = 0, frames = 0, height = 0, width = 0]: readonly number[]): number[] {
  const latent = latentShape(config, { frames, height, width });
  return [batch, latent.frames, latent.height, latent.width, latent.channels];
}

/** The same network with latents that are not normalised. */
function withoutStatistics(config: VaeConfig): VaeConfig {
  const channels = config.z_dim;
  return { ...config, latents_mean: Array(channels).fill(0), latents_std: Array(channels).fill(1) };
}

/** `½·mean(μ² + σ² - 1 - ln σ²)` over all latent elements. */
function divergence(mean: Tensor, logVariance: Tensor): Tensor {
  const terms = tf.sub(tf.add(tf.square(mean), tf.exp(logVariance)), tf.add(logVariance, 1));
  return tf.mul(tf.mean(terms), 0.5);
}

/**
 * Mean and standard deviation of each latent channel over all clips `[B, F, H, W, 3]`, for `latents_mean` and
 * `latents_std` of the configuration.
 */
export async function latentStatistics(
  { weights, config }: VaeTrainOptions['vae'],
  clips: Iterable<HostFloats> | AsyncIterable<HostFloats>,
): Promise<{ mean: number[]; std: number[] }> {
  const channels = config.z_dim;
  const sums = { count: 0, first: new Float64Array(channels), second: new Float64Array(channels) };
  for await (const clip of clips) {
    const mean = tf.tidy(() => encodePosterior({ weights, config: withoutStatistics(config) }, toTensor(clip)).mean);
    accumulate(sums, await mean.data<'float32'>(), channels);
    mean.dispose();
  }
  const mean = Array.from(sums.first, (sum) => sum / sums.count);
  const std = Array.from(sums.second, (sum, i) => Math.sqrt(sum / sums.count - (mean[i] as number) ** 2));
  return { mean, std };
}

interface Sums {
  count: number;
  first: Float64Array;
  second: Float64Array;
}

function accumulate(sums: Sums, values: Float32Array, channels: number): void {
  sums.count += values.length / channels;
  for (const [i, value] of values.entries()) {
    sums.first[i % channels]! += value;
    sums.second[i % channels]! += value * value;
  }
}
