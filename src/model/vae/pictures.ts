/**
 * Pictures in the VAE. Squares of pixels stand as channels between the networks and the video: channel
 * (c·p + column)·p + row of a patch holds colour c of that pixel. And a VAE of pictures becomes one of clips.
 * Sources: Wan2.2 wan/modules/vae2_2.py (`patchify`, `unpatchify`); Wan technical report (arXiv 2503.20314), section 4.1.2.
 */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Net, Weights } from '../../nn/index.ts';
import { type VaeConfig, vaeConfig } from './config.ts';
import { vaeShapes } from './layers.ts';

/** Video [B,F,H,W,3] with its p×p squares in channels, [B,F,H/p,W/p,3p²]. */
export function patchify({ patch_size: p = 1 }: VaeConfig, video: Tensor): Tensor {
  if (p === 1) return video;
  const [b, f, height, width, colours] = video.shape as [number, number, number, number, number];
  const [h, w] = [height / p, width / p];
  const squares = video.reshape([b * f * h, p, w, p, colours]).transpose([0, 2, 4, 3, 1]); // [B·F·h,w,3,column,row]
  return squares.reshape([b, f, h, w, colours * p * p]);
}

/** The inverse of {@link patchify}: [B,F,h,w,3p²] as video [B,F,h·p,w·p,3]. */
export function unpatchify({ patch_size: p = 1 }: VaeConfig, packed: Tensor): Tensor {
  if (p === 1) return packed;
  const [b, f, h, w, channels] = packed.shape as [number, number, number, number, number];
  const colours = channels / (p * p);
  const rows = packed.reshape([b * f * h, w, colours, p, p]).transpose([0, 4, 1, 3, 2]); // [B·F·h,row,w,column,3]
  return rows.reshape([b, f, h * p, w * p, colours]);
}

/**
 * A VAE of pictures (`kernel_frames` 1) as one of clips, with zeros for the taps that look at the past: it codes every
 * frame as before, and training on clips teaches it time. The given net stays as it is, and the caller's.
 *
 * @throws RangeError for a net whose convolutions see the past already.
 * @example const clips = inflate(pictures); // train.vae({ vae: clips, ... })
 */
export function inflate(net: Net<VaeConfig>): Net<VaeConfig> {
  const { kernel_frames: frames = 3, ...rest } = net.config;
  if (frames !== 1) throw new RangeError(`inflate: wanted a net with kernel_frames 1, received ${frames}`);
  const config = vaeConfig(rest);
  const wanted = vaeShapes(config);
  const weights = tf.tidy(() => {
    return net.weights.entries().map(([name, tap]): [string, Tensor] => {
      const [out = 0, into = 0, taps = 1, ...window] = wanted.get(name)!;
      if (taps === tap.shape[2] || tap.rank !== 5) return [name, tf.keep(tf.clone(tap))];
      return [name, tf.keep(tf.concat([tf.zeros([out, into, taps - 1, ...window]), tap], 2))];
    });
  });
  const inflated = net.architecture.net(config, Weights.from(weights), { origin: 'inflated from pictures' });
  tf.dispose(weights.map(([, tensor]) => tensor));
  return inflated;
}
