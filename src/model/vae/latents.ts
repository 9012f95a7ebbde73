/** Normalisation of latents and checks of what encoder and decoder receive. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type VaeConfig, vaeStrides } from './config.ts';

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
  const fits = x.rank === 5 && channels === 3 && frames > 0 && height % space === 0 && width % space === 0;
  if (!fits) {
    throw new RangeError(
      `video has shape [${x.shape}]; wanted [B, F, H, W, 3] with H and W multiples of the spatial stride ${space}: ` +
        'crop or resize the frames, and move the channels last',
    );
  }
}

/** Throws unless a piece of a longer video has the frames that its place demands. */
export function checkPiece(config: VaeConfig, x: Tensor, first: boolean): void {
  checkVideo(config, x);
  const { time } = vaeStrides(config);
  const frames = x.shape[1]!;
  if ((frames - (first ? 1 : 0)) % time !== 0) {
    const wanted = first
      ? `1 + k·${time} frames (state is null: this is the first piece)`
      : `a multiple of ${time} frames`;
    throw new RangeError(`video has ${frames} frames; wanted ${wanted}`);
  }
}

/** Throws unless z is a batch of latents [B,f,h,w,z]. */
export function checkLatents(config: VaeConfig, z: Tensor): void {
  if (z.rank !== 5 || z.shape[4] !== config.z_dim || z.shape[1] === 0) {
    throw new RangeError(
      `latents have shape [${z.shape}]; wanted [B, f, h, w, z] with z = z_dim = ${config.z_dim}: move the channels last`,
    );
  }
}
