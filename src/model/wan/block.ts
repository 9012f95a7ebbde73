/**
 * One transformer block. The residual stream is [B, T, S, D]: T groups of S tokens that share a timestep (T = 1, or
 * the number of token frames), so that modulation broadcasts; T S = L.
 * Source: Wan2.1 wan/modules/model.py (`WanAttentionBlock`).
 */
import { attention, gelu, layerNorm, modulate, rmsNorm, rotary } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { ValueTap, WeightView } from '../../nn/index.ts';
import { affine, dense } from '../layers/layers.ts';
import type { WanConfig } from './config.ts';
import type { Rope } from './positions.ts';

/** Keys and values of one layer, [B, L, N, d] each. */
export type KeyValue = { k: Tensor; v: Tensor };

/** How queries [B, Lq, N, d] meet the keys and values of the same tokens: all, masked, or with a cached past. */
export type Attend = (q: Tensor, own: KeyValue) => Tensor;

/** What a block needs beside its weights and its input. */
export interface BlockInput {
  config: WanConfig;
  /** [B or 1, T, 6, D] */
  e0: Tensor;
  rope: Rope;
  attend: Attend;
  /** Keys and values of the text. */
  text: KeyValue;
  tap: ValueTap;
}

/** Residual stream [B, T, S, D] after one block. */
export function wanBlock(weights: WeightView, x: Tensor, input: BlockInput): Tensor {
  const { config, tap } = input;
  const modulation = tf.add(weights.get('modulation'), input.e0); // [1, 6, D] + [B, T, 6, D]
  const [a0, a1, a2, a3, a4, a5] = tf.split(modulation, 6, 2) as Six; // 6 of [B, T, 1, D]
  const shifted = modulate(layerNorm(x, null, null, config.eps), a0, a1);
  const attended = selfAttention(weights.at('self_attn'), shifted, input);
  tap('self_attn', attended);
  const seen = tf.add(x, tf.mul(attended, a2));
  const normed = layerNorm(seen, ...affine(weights, 'norm3'), config.eps);
  const cross = weights.at('cross_attn');
  const { k, v } = input.text;
  const crossed = merged(cross, attention(normedHeads(cross, 'q', normed, config), k, v), normed.shape);
  tap('cross_attn', crossed);
  const told = tf.add(seen, crossed);
  const wide = dense(weights, 'ffn.0', modulate(layerNorm(told, null, null, config.eps), a3, a4));
  const fed = dense(weights, 'ffn.2', gelu(wide, 'tanh'));
  tap('ffn', fed);
  return tf.add(told, tf.mul(fed, a5));
}

type Six = [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];

function selfAttention(weights: WeightView, x: Tensor, { config, rope, attend }: BlockInput): Tensor {
  const q = rotary(normedHeads(weights, 'q', x, config), rope.cos, rope.sin);
  const k = rotary(normedHeads(weights, 'k', x, config), rope.cos, rope.sin);
  return merged(weights, attend(q, { k, v: heads(dense(weights, 'v', x), config) }), x.shape);
}

/** Keys and values of the embedded text [B, text_len, D] for one block's cross-attention. */
export function textKeyValue(weights: WeightView, text: Tensor, config: WanConfig): KeyValue {
  return { k: normedHeads(weights, 'k', text, config), v: heads(dense(weights, 'v', text), config) };
}

/** Query or key heads: the root-mean-square norm runs over the whole width, before the split into heads. */
function normedHeads(weights: WeightView, part: 'q' | 'k', x: Tensor, config: WanConfig): Tensor {
  const projected = dense(weights, part, x);
  return heads(rmsNorm(projected, weights.get(`norm_${part}.weight`), config.eps), config);
}

function heads(x: Tensor, { dim, num_heads }: WanConfig): Tensor {
  return tf.reshape(x, [x.shape[0]!, -1, num_heads, dim / num_heads]); // [B, T, S, D] or [B, L, D] -> [B, L, N, d]
}

function merged(weights: WeightView, attended: Tensor, shape: number[]): Tensor {
  return dense(weights, 'o', tf.reshape(attended, shape)); // [B, L, N, d] -> [B, T, S, D]
}
