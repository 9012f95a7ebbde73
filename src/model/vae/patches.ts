/**
 * Squares of pixels as channels, between the networks and the video. Channel (c·p + column)·p + row of a patch holds
 * colour c of that pixel. Source: Wan2.2 wan/modules/vae2_2.py (`patchify`, `unpatchify`).
 */
import type { Tensor } from '../../engine/tf.ts';
import type { VaeConfig } from './config.ts';

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
