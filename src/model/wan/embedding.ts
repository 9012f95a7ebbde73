/** Latents, their patches and their timestep as the tokens and vectors that the blocks work on. */
import { linear, silu } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { elementCount } from '../../io/internal.ts';
import type { Part } from '../../nn/index.ts';
import { dense } from '../layers/layers.ts';
import type { WanConfig } from './config.ts';
import type { TokenGrid } from './positions.ts';

/** What the timestep adds to a pass; T is 1, or the number of token frames where each frame has its own. */
export interface TimeModulation {
  /** [B, T, D], for the head. */
  e: Tensor;
  /** [B, T, 6, D], for the blocks. */
  e0: Tensor;
}

/** Latents [B, F, H, W, C] to tokens [B, L, D]. */
export function embedPatches(net: Part<WanConfig>, x: Tensor): Tensor {
  const { weights, config } = net;
  const weight = patchWeight(weights.get('patch_embedding.weight'));
  return linear(patchify(config, x), weight, weights.get('patch_embedding.bias'));
}

/** Sinusoidal embedding [B, T, freq_dim] to the vectors that modulate blocks and head. */
export function embedTime(net: Part<WanConfig>, sinusoids: Tensor): TimeModulation {
  const { weights, config } = net;
  const e = dense(weights, 'time_embedding.2', silu(dense(weights, 'time_embedding.0', sinusoids)));
  const projected = dense(weights, 'time_projection.1', silu(e));
  const [batch, times] = e.shape as [number, number];
  return { e, e0: tf.reshape(projected, [batch, times, 6, config.dim]) }; // [B, T, 6D] -> [B, T, 6, D]
}

/**
 * Extents of the token grid of latents [B, F, H, W, C].
 *
 * @throws RangeError if the latents are not a multiple of the patch.
 */
export function tokenGrid(config: WanConfig, x: Tensor): TokenGrid {
  const { patch_size, in_dim } = config;
  const extents = x.shape.slice(1, 4);
  if (x.rank !== 5 || x.shape[4] !== in_dim || patch_size.some((extent, axis) => extents[axis]! % extent !== 0)) {
    const wanted = `[B, F, H, W, ${in_dim}] with F, H, W multiples of [${patch_size}]`;
    throw new RangeError(`x: wanted latents ${wanted}, received [${x.shape}]`);
  }
  return extents.map((extent, axis) => extent / patch_size[axis]!) as unknown as TokenGrid;
}

/**
 * Latents [B, F, H, W, C] as tokens [B, L, pt ph pw C], channel fastest; tokens with width fastest.
 * The patch convolution (stride = kernel) is a linear layer on these, see {@link patchWeight}.
 */
export function patchify(config: WanConfig, x: Tensor): Tensor {
  const [frames, height, width] = tokenGrid(config, x);
  const [pt, ph, pw] = config.patch_size;
  const [batch, channels] = [x.shape[0]!, config.in_dim];
  const shape = [batch * frames, pt, height, ph, width, pw * channels];
  // [B,F,H,W,C] -> [Bf, pt, h, ph, w, pw C] -> [Bf, h, w, pt, ph, pw C] -> [B, L, pt ph pw C]
  const inOrder = pt === 1 && ph === 1; // patches of one row: the cells already lie in order
  const cells = inOrder ? x : tf.transpose(tf.reshape(x, shape), [0, 2, 4, 1, 3, 5]);
  return tf.reshape(cells, [batch, frames * height * width, pt * ph * pw * channels]);
}

/** Inverse of {@link patchify} for predictions [B, L, pt ph pw C_out]. */
export function unpatchify(config: WanConfig, tokens: Tensor, grid: TokenGrid): Tensor {
  const [frames, height, width] = grid;
  const [pt, ph, pw] = config.patch_size;
  const [batch, channels] = [tokens.shape[0]!, config.out_dim];
  const shape = [batch * frames, height, width, pt, ph, pw * channels];
  // [B, L, pt ph pw C] -> [Bf, h, w, pt, ph, pw C] -> [Bf, pt, h, ph, w, pw C] -> [B,F,H,W,C]
  const cells = pt * ph * pw === 1 ? tokens : tf.transpose(tf.reshape(tokens, shape), [0, 3, 1, 4, 2, 5]);
  return tf.reshape(cells, [batch, frames * pt, height * ph, width * pw, channels]);
}

/** The patch convolution's weight [D, C, pt, ph, pw] for tokens of {@link patchify}: [D, pt ph pw C]. */
export function patchWeight(weight: Tensor): Tensor {
  const [dim, channels, ...patch] = weight.shape as [number, number, ...number[]];
  const cells = elementCount(patch);
  const rows = tf.reshape(weight, [dim, channels, cells]);
  return tf.reshape(cells === 1 ? rows : tf.transpose(rows, [0, 2, 1]), [dim, cells * channels]);
}
