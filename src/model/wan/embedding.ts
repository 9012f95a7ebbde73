import { gelu, linear, silu } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part, WeightView } from '../../nn/index.ts';
import type { WanConfig } from './config.ts';
import { patchify, patchWeight } from './patches.ts';

/** What the timestep adds to a pass; T is 1, or the number of token frames where each frame has its own. */
export interface TimeModulation {
  /** [B, T, D], for the head. */
  e: Tensor;
  /** [B, T, 6, D], for the blocks. */
  e0: Tensor;
}

/** y = x Wᵀ + b with the weights `name.weight` and `name.bias`. */
export function dense(weights: WeightView, name: string, x: Tensor): Tensor {
  return linear(x, weights.get(`${name}.weight`), weights.get(`${name}.bias`));
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
 * Text tokens [B, n, text_dim] to [B, text_len, D]. Short texts are padded with zero rows first and the padding is
 * not masked afterwards: the network was trained to see it.
 *
 * @throws RangeError if the text is longer than `text_len` or has another width.
 */
export function embedText(net: Part<WanConfig>, context: Tensor): Tensor {
  const { weights, config } = net;
  const { text_dim, text_len } = config;
  const [, tokens = 0, width] = context.shape;
  if (context.rank !== 3 || width !== text_dim || tokens > text_len) {
    const wanted = `[B, L, ${text_dim}] with L <= ${text_len}`;
    throw new RangeError(`context: wanted text embeddings ${wanted}, received [${context.shape}]`);
  }
  const padded =
    tokens === text_len
      ? context
      : tf.pad(context, [
          [0, 0],
          [0, text_len - tokens],
          [0, 0],
        ]);
  return dense(weights, 'text_embedding.2', gelu(dense(weights, 'text_embedding.0', padded), 'tanh'));
}
