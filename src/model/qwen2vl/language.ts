/**
 * Qwen2-VL's language model: pre-norm blocks with grouped heads, rotary positions on three axes and a gated
 * feed-forward part. Source: transformers models/qwen2_vl/modeling_qwen2_vl.py.
 */

import { attention, linear, rmsNorm, silu } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part, Tapped, WeightView } from '../../nn/index.ts';
import { affine, joinHeads, splitHeads } from '../layers/index.ts';
import { mropeTurns, sequentialPositions, type Turns, turnHalves } from './positions.ts';
import type { Qwen2VlConfig } from './weights.ts';

/** Sequences of tokens. */
export interface Qwen2VlTokens {
  /** int32 [B, L] */
  readonly ids: Tensor;
  /** int32 [B, L], 1 = token, 0 = padding on the right. */
  readonly mask: Tensor;
  /** float32 [3, B, L]; the running index on all three axes unless given. */
  readonly positions?: Tensor;
}

/**
 * States of all tokens after the final norm: [B, L, D].
 *
 * @param weights - below `model`
 * @param seen - [video tokens, D]: what replaces the tokens of `video_token_id`, in order over the batch
 */
export function qwen2VlLanguage(
  net: Part<Qwen2VlConfig>,
  { ids, mask, positions }: Qwen2VlTokens,
  seen: Tensor,
  { onValue }: Tapped = {},
): Tensor {
  const { weights, config } = net;
  const [batch, length] = ids.shape as [number, number];
  return tf.tidy(() => {
    let x = withVideo(tf.gather(weights.get('embed_tokens.weight'), ids), tf.equal(ids, config.video_token_id), seen);
    const turns = mropeTurns(config, positions ?? sequentialPositions(length));
    const keys = tf.reshape(tf.cast(mask, 'float32'), [batch, 1, 1, length]); // [B,L] -> [B,1,1,L]
    const visible = tf.mul(causal(length), keys); // [B,1,L,L]
    for (let i = 0; i < config.num_hidden_layers; i++) {
      x = layer({ weights: weights.at(`layers.${i}`), config }, { x, turns, visible });
      onValue?.(`layers.${i}`, x);
    }
    return rmsNorm(x, weights.get('norm.weight'), config.rms_norm_eps);
  });
}

/** Tokens [B, L, D] where `video` [B, L] is true replaced by the rows of `seen`, one after the other. */
function withVideo(tokens: Tensor, video: Tensor, seen: Tensor): Tensor {
  const [batch, length, width] = tokens.shape as [number, number, number];
  const flags = tf.cast(tf.reshape(video, [batch * length]), 'int32');
  const rows = tf.maximum(tf.sub(tf.cumsum(flags), 1), 0); // how many video tokens came before
  const placed = tf.reshape(tf.gather(seen, tf.cast(rows, 'int32')), [batch, length, width]);
  return tf.where(tf.tile(tf.expandDims(video, -1), [1, 1, width]), placed, tokens);
}

/** [1, 1, L, L], 1 where the column's token may be seen by the row's: itself and those before. */
function causal(length: number): Tensor {
  const data = new Float32Array(length * length);
  for (let row = 0; row < length; row++) data.fill(1, row * length, row * length + row + 1);
  return tf.tensor4d(data, [1, 1, length, length]);
}

interface LayerInput {
  /** [B, L, D] */
  readonly x: Tensor;
  readonly turns: Turns;
  /** [B, 1, L, L], 1 = may attend. */
  readonly visible: Tensor;
}

function layer(net: Part<Qwen2VlConfig>, { x, turns, visible }: LayerInput): Tensor {
  const { weights, config } = net;
  return tf.tidy(() => {
    const normed = rmsNorm(x, weights.get('input_layernorm.weight'), config.rms_norm_eps);
    const y = tf.add(x, selfAttention({ weights: weights.at('self_attn'), config }, { x: normed, turns, visible }));
    const change = feedForward(
      weights.at('mlp'),
      rmsNorm(y, weights.get('post_attention_layernorm.weight'), config.rms_norm_eps),
    );
    return tf.add(y, change);
  });
}

function selfAttention(net: Part<Qwen2VlConfig>, { x, turns, visible }: LayerInput): Tensor {
  const { weights, config } = net;
  const { num_attention_heads: heads, num_key_value_heads: groups } = config;
  const project = (name: string, count: number): Tensor => splitHeads(linear(x, ...affine(weights, name)), count);
  const q = turnHalves(project('q_proj', heads), turns);
  const k = repeatHeads(turnHalves(project('k_proj', groups), turns), heads / groups);
  const v = repeatHeads(project('v_proj', groups), heads / groups);
  return linear(joinHeads(attention(q, k, v, { mask: visible })), weights.get('o_proj.weight'), null);
}

/** Each head `times` times in a row: [B, L, N, D] -> [B, L, N times, D]. */
function repeatHeads(x: Tensor, times: number): Tensor {
  const [batch, length, heads, depth] = x.shape as [number, number, number, number];
  const tiled = tf.tile(tf.reshape(x, [batch * length, heads, 1, depth]), [1, 1, times, 1]);
  return tf.reshape(tiled, [batch, length, heads * times, depth]);
}

/** down(silu(gate x) * up x) */
function feedForward(weights: WeightView, x: Tensor): Tensor {
  const gate = silu(linear(x, weights.get('gate_proj.weight'), null));
  return linear(tf.mul(gate, linear(x, weights.get('up_proj.weight'), null)), weights.get('down_proj.weight'), null);
}
