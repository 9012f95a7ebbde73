/**
 * Encoding and decoding of whole clips. Chunks of any length give the same numbers; short chunks need less memory,
 * and one latent at a time is how the reference evaluates the model.
 * Source: Wan2.1 wan/modules/vae.py (`WanVAE_.encode`, `WanVAE_.decode`).
 */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Tapped } from '../../nn/index.ts';
import { withoutGradient } from '../../nn/internal.ts';
import { chunkLengths, chunkRun, fittingLatents, pixelFrames, type VaeState, walk } from './chunks.ts';
import { latentShape, type VaeConfig, type VaePreset, vaePresets, vaeStrides } from './config.ts';
import { decoderLayers, encoderLayers, vaeInitial, vaeOfficialNames, vaeShapes } from './layers.ts';
import { patchify, unpatchify } from './pictures.ts';

/** Options of a pass through encoder or decoder; values are seen once per chunk. */
export interface VaeOptions extends Tapped {
  /** Latent frames evaluated together. @defaultValue as many as keep the largest activation below 256 MiB */
  readonly latentsPerChunk?: number;
}

/** Options of {@link decode}. */
export interface DecodeOptions extends VaeOptions {
  /** Bound pixels to [−1, 1] as the reference does; the gradient is zero where a pixel is bounded. @defaultValue true */
  readonly clamp?: boolean;
  /**
   * Let the gradient reach only this many latent frames, the last ones. The earlier ones are decoded as constants: the
   * same pixels, a truncated gradient, and memory for the last block only. @defaultValue all
   */
  readonly gradientLatents?: number;
}

/** Mean and logarithm of the variance of the posterior, [B,f,h,w,z] each, not normalised. */
export interface Posterior {
  readonly mean: Tensor;
  readonly logVariance: Tensor;
}

/**
 * Normalised latents (μ − mean)/std, [B,f,h,w,z], of a video [B,F,H,W,3] in [−1, 1], f = 1 + ⌊(F − 1)/stride⌋;
 * left-over frames are dropped. The posterior's mean, no sample.
 *
 * @throws RangeError if the video's shape does not fit the strides.
 */
export function encode(net: Part<VaeConfig>, video: Tensor, options: VaeOptions = {}): Tensor {
  const { config } = net;
  return tf.tidy(() => normalise(config, encodePosterior(net, video, options).mean));
}

/** Both halves of the encoder's output, for training a VAE with a divergence term. Video as for {@link encode}. */
export function encodePosterior(net: Part<VaeConfig>, video: Tensor, options: VaeOptions = {}): Posterior {
  const { weights, config } = net;
  checkVideo(config, video);
  const [batch, frames, height, width] = video.shape as [number, number, number, number, number];
  const latents = latentShape(config, { frames, height, width }).frames;
  const perChunk = options.latentsPerChunk ?? fittingLatents(config, batch, height, width);
  return tf.tidy(() => {
    const run = chunkRun(encoderLayers(config), weights, { onValue: options.onValue });
    const { output } = walk(patchify(config, video), pixelFrames(config, chunkLengths(latents, perChunk)), run);
    const [mean, logVariance] = tf.split(output, 2, 4) as [Tensor, Tensor];
    return { mean, logVariance };
  });
}

/**
 * Video [B,F,H,W,3] of normalised latents [B,f,h,w,z]: latent 0 gives one frame, each later one `stride` frames,
 * and every frame depends on all latents up to its own.
 */
export function decode(net: Part<VaeConfig>, latents: Tensor, options: DecodeOptions = {}): Tensor {
  const { weights, config } = net;
  checkLatents(config, latents);
  return tf.tidy(() => {
    const [batch, total, h, w] = latents.shape as [number, number, number, number, number];
    const { space } = vaeStrides(config);
    const perChunk = options.latentsPerChunk ?? fittingLatents(config, batch, h * space, w * space);
    const run = chunkRun(decoderLayers(config), weights, { onValue: options.onValue });
    const part = (from: number, to: number, state: VaeState | null) => {
      const z = denormalise(config, latents.slice([0, from], [-1, to - from]));
      return walk(z, chunkLengths(to - from, perChunk), run, { from: state, keep: to < total });
    };
    const pixels = (output: Tensor): Tensor => bounded(unpatchify(config, output), options);
    const constant = constantLatents(total, options.gradientLatents);
    if (constant === 0) return pixels(part(0, total, null).output);
    const past = withoutGradient(() => part(0, constant, null));
    if (constant === total) return pixels(past.output);
    return pixels(tf.concat([past.output, part(constant, total, past.state).output], 1));
  });
}

/** How many latents at the start are constants of the gradient. */
function constantLatents(total: number, gradientLatents: number = total): number {
  if (Number.isInteger(gradientLatents) && gradientLatents >= 0) return Math.max(0, total - gradientLatents);
  throw new RangeError(`gradientLatents is ${gradientLatents}; it must be a whole number from 0`);
}

/** Pixels bounded to [−1, 1] unless told otherwise. */
export function bounded(video: Tensor, { clamp = true }: { readonly clamp?: boolean }): Tensor {
  return clamp ? tf.clipByValue(video, -1, 1) : video;
}

/** (μ − mean)/std per channel. latents [..., z]. */
export function normalise(config: VaeConfig, latents: Tensor): Tensor {
  return tf.div(tf.sub(latents, tf.tensor1d([...config.latents_mean])), tf.tensor1d([...config.latents_std]));
}

/** z·std + mean per channel. latents [..., z]. */
export function denormalise(config: VaeConfig, latents: Tensor): Tensor {
  return tf.add(tf.mul(latents, tf.tensor1d([...config.latents_std])), tf.tensor1d([...config.latents_mean]));
}

/** Throws unless x is a video [B,F,H,W,3] whose sides are multiples of the spatial stride. */
export function checkVideo(config: VaeConfig, x: Tensor): void {
  const { space } = vaeStrides(config);
  const [, frames = 0, height = 0, width = 0, channels] = x.shape;
  if (x.rank === 5 && channels === 3 && frames > 0 && height % space === 0 && width % space === 0) return;
  throw new RangeError(
    `video has shape [${x.shape}]; wanted [B, F, H, W, 3] with H and W multiples of the spatial stride ${space}: ` +
      'crop or resize the frames, and move the channels last',
  );
}

/** Throws unless a piece of a longer video has the frames that its place demands. */
export function checkPiece(config: VaeConfig, x: Tensor, first: boolean): void {
  checkVideo(config, x);
  const { time } = vaeStrides(config);
  const frames = x.shape[1]!;
  if ((frames - (first ? 1 : 0)) % time === 0) return;
  const whole = `1 + k·${time} frames (state is null: this is the first piece)`;
  throw new RangeError(`video has ${frames} frames; wanted ${first ? whole : `a multiple of ${time} frames`}`);
}

/** Throws unless z is a batch of latents [B,f,h,w,z]. */
export function checkLatents(config: VaeConfig, z: Tensor): void {
  if (z.rank === 5 && z.shape[4] === config.z_dim && z.shape[1] !== 0) return;
  throw new RangeError(
    `latents have shape [${z.shape}]; wanted [B, f, h, w, z] with z = z_dim = ${config.z_dim}: move the channels last`,
  );
}

/**
 * Wan2.1's causal video VAE; loads official and diffusers' names.
 *
 * @example await vae.load(vae.presets['wan2.1'], (await openPth('Wan2.1_VAE.pth')).entries())
 */
export const vae: Architecture<VaeConfig, typeof decode, VaePreset> = architecture({
  name: 'Wan VAE',
  presets: vaePresets,
  shapes: vaeShapes,
  prefixes: ['first_stage_model.', 'vae.', 'model.'],
  officialName: vaeOfficialNames,
  initial: vaeInitial,
  isHidden: (name) => /^(encoder|decoder)\./.test(name),
  forward: decode,
});
