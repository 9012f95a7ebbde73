import { type Tensor, tf } from '../../engine/tf.ts';
import { decode, encodePosterior, latentShape, type Posterior, type VaeConfig } from '../../model/internal.ts';
import { type HostFloats, type Net, type Part, toTensor } from '../../nn/index.ts';
import { withoutGradient } from '../../nn/internal.ts';
import {
  checkBatch,
  checkChoice,
  checkNet,
  checkNumber,
  checkSource,
  type Source,
  withTensors,
} from '../ingredients.ts';
import { Learner } from '../optimiser/learner.ts';
import { settleTraining } from '../optimiser/learner-options.ts';
import type { Objective } from '../optimiser/optimiser.ts';
import { makeUpdate } from '../optimiser/update.ts';
import { runStage, type Stage, type TrainingOptions, type TrainStep } from '../run/stage.ts';

export interface VaeTrainOptions extends TrainingOptions {
  vae: Net<VaeConfig>;
  /** Clips `[B, F, H, W, 3]` in [-1, 1]. */
  data: Source<HostFloats>;
  /** Clips per step. */
  batch: number;
  /** Error of the reconstruction: absolute, squared, or their sum. @defaultValue 'l1' */
  loss?: 'l1' | 'l2' | 'l1+l2';
  /** Weight of the divergence from the unit normal; 0 trains a plain autoencoder. @defaultValue 1e-6 */
  klWeight?: number;
  /**
   * Pixels whose brightest channel lies above `above` count `weight` times: for small things on an empty ground.
   * @defaultValue all count alike
   */
  pixelWeight?: { above: number; weight: number };
  /** What learns: the whole, or the decoder alone, which leaves all latents as they are. @defaultValue 'all' */
  parts?: 'all' | 'decoder';
}

/** A step of training an autoencoder, with the parts of its loss where the divergence counts. */
export interface VaeStep extends TrainStep {
  reconstruction?: number;
  kl?: number;
}

/**
 * Train a video autoencoder on clips: `mean|x̂ - x|` (or its square) plus `klWeight · KL(q(z|x) ‖ N(0, 1))`, with
 * latents drawn from the posterior. Changes the weights in place. Afterwards measure `latentStatistics` and put them
 * into the configuration.
 *
 * @example for await (const { loss } of train.vae({ vae, data, batch: 8, lr: 1e-3, steps: 100, seed: 0 })) {}
 */
export function vae(options: VaeTrainOptions): AsyncGenerator<VaeStep, void, void> {
  return runStage(() => prepare(settle(options)), options);
}

function settle(options: VaeTrainOptions) {
  const { loss = 'l1', klWeight = 1e-6, pixelWeight, parts = 'all' } = options;
  const net = checkNet('vae', options.vae);
  return {
    ...settleTraining(net, options),
    vae: net,
    data: checkSource('data', options.data),
    batch: checkBatch(options.batch),
    loss: checkChoice('loss', loss, ['l1', 'l2', 'l1+l2']),
    klWeight: checkNumber('klWeight', klWeight, { min: 0 }),
    pixelWeight: pixelWeight
      ? {
          above: checkNumber('pixelWeight.above', pixelWeight.above),
          weight: checkNumber('pixelWeight.weight', pixelWeight.weight, { min: 0 }),
        }
      : null,
    parts: checkChoice('parts', parts, ['all', 'decoder']),
  };
}

type Settings = ReturnType<typeof settle>;

function prepare(settings: Settings): Stage<VaeStep> {
  const { batch, data } = settings;
  const learner = new Learner('vae', settings.vae, settings);
  const plain = withoutStatistics(settings.vae);
  const update = makeUpdate(learner, (video: Tensor, noise: Tensor) => objective(plain, video, noise, settings));
  const step: Stage<VaeStep>['step'] = async (_, key) => {
    const video = await data(key.stream('data'), batch);
    const noise = key.stream('noise').normal(latentsOf(plain.config, video.shape));
    const result = await withTensors({ video, noise }, (t) => update(t.video, t.noise));
    return { updates: [result], values: result.values };
  };
  return { name: 'vae', settings, learners: [learner], step, dispose: update.dispose };
}

function objective(
  net: Part<VaeConfig>,
  video: Tensor,
  noise: Tensor,
  { loss, klWeight, pixelWeight, parts }: Settings,
): Objective<'reconstruction' | 'kl'> {
  const encoded = (): Posterior => encodePosterior(net, video);
  const { mean, logVariance } = parts === 'decoder' ? withoutGradient(encoded) : encoded();
  const bounded = tf.clipByValue(logVariance, -30, 20);
  const latents = klWeight > 0 ? tf.add(mean, tf.mul(noise, tf.exp(tf.mul(bounded, 0.5)))) : mean;
  const deviation = deviationOf(tf.sub(decode(net, latents, { clamp: false }), video), loss);
  const reconstruction = tf.mean(pixelWeight ? tf.mul(deviation, weightOf(video, pixelWeight)) : deviation);
  if (klWeight === 0) return { loss: reconstruction };
  const kl = divergence(mean, bounded);
  return { loss: tf.add(reconstruction, tf.mul(kl, klWeight)), values: { reconstruction, kl } };
}

function deviationOf(error: Tensor, kind: Settings['loss']): Tensor {
  if (kind === 'l1+l2') return tf.add(tf.abs(error), tf.square(error));
  return kind === 'l1' ? tf.abs(error) : tf.square(error);
}

/** The weight of each pixel [B, F, H, W, 1]. */
function weightOf(video: Tensor, { above, weight }: { above: number; weight: number }): Tensor {
  const lit = tf.cast(tf.greater(tf.max(video, 4, true), above), 'float32');
  return tf.add(tf.mul(lit, weight - 1), 1);
}

function latentsOf(config: VaeConfig, [batch = 0, frames = 0, height = 0, width = 0]: readonly number[]): number[] {
  const latent = latentShape(config, { frames, height, width });
  return [batch, latent.frames, latent.height, latent.width, latent.channels];
}

/** The same network with latents that are not normalised. */
function withoutStatistics(net: Net<VaeConfig>): Net<VaeConfig> {
  const channels = net.config.z_dim;
  return net.with({ latents_mean: Array(channels).fill(0), latents_std: Array(channels).fill(1) });
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
  net: Net<VaeConfig>,
  clips: Iterable<HostFloats> | AsyncIterable<HostFloats>,
): Promise<{ mean: number[]; std: number[] }> {
  const channels = net.config.z_dim;
  const plain = withoutStatistics(net);
  const [first, second] = [new Float64Array(channels), new Float64Array(channels)];
  let count = 0;
  for await (const clip of clips) {
    const latents = tf.tidy(() => encodePosterior(plain, toTensor(clip)).mean);
    const values = await latents.data<'float32'>();
    latents.dispose();
    count += values.length / channels;
    for (const [i, value] of values.entries()) {
      first[i % channels]! += value;
      second[i % channels]! += value * value;
    }
  }
  const mean = Array.from(first, (sum) => sum / count);
  const std = Array.from(second, (sum, i) => Math.sqrt(sum / count - (mean[i] as number) ** 2));
  return { mean, std };
}
