/** What every pass through the transformer shares, whatever its tokens see of each other. */

import { layerNorm, modulate } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Part, withBlock } from '../../nn/index.ts';
import { type Attend, type KeyValue, type LayerTap, wanBlock } from './block.ts';
import type { WanConfig } from './config.ts';
import { dense, embedTime, type TimeModulation } from './embedding.ts';
import type { Rope } from './rope.ts';
import type { WanContext } from './text-cache.ts';
import { type Timesteps, timestepEmbedding } from './timestep.ts';

/** Input of a pass: noisy latents, their noise level, the text. */
export interface WanInput {
  /** Noisy latents [B, F, H, W, in_dim]. */
  x: Tensor;
  /** Timesteps in 0..1000. */
  t: Timesteps;
  /** Text embeddings [B, n <= text_len, text_dim], or a cache made of them. */
  context: WanContext;
}

/** Everything that a pass through the blocks needs, tokens embedded. */
export interface Pass {
  /** Tokens [B, L, D]. */
  tokens: Tensor;
  time: TimeModulation;
  rope: Rope;
  /** How the tokens of a layer attend. */
  attend: (layer: number) => Attend;
  text: (layer: number) => KeyValue;
  /** Sees outputs by name: `blocks.0.self_attn`, `blocks.0`, `head`, ... */
  onLayer?: LayerTap | undefined;
  /** The keys and values that the last call of `attend` met, where they outlive the pass. */
  met?: () => KeyValue;
}

/**
 * Sinusoids [1 or B, 1 or F, freq_dim] of the timesteps of a pass.
 *
 * @throws RangeError if the timesteps fit neither the batch nor the frames.
 */
export function sinusoidsOf(config: WanConfig, t: Timesteps, batch: number, frames: number): Tensor {
  const sinusoids = timestepEmbedding(t, config.freq_dim);
  const [rows, columns] = sinusoids.shape as [number, number];
  if ((rows === 1 || rows === batch) && (columns === 1 || columns === frames)) return sinusoids;
  const wanted = `one value, [B] or [B, F] with B ${batch} and F ${frames}`;
  throw new RangeError(`t: wanted ${wanted}, received [${rows}, ${columns}]`);
}

/** Modulation for the tokens of `frames` token frames; timesteps as for {@link sinusoidsOf}. */
export function timeOf(net: Part<WanConfig>, t: Timesteps, batch: number, frames: number): TimeModulation {
  const { config } = net;
  return embedTime(net, sinusoidsOf(config, t, batch, frames));
}

/** Tokens through all blocks: [B, T, S, D], T as in the time modulation. */
export function runBlocks(net: Part<WanConfig>, pass: Pass): Tensor {
  const { weights, config } = net;
  const { tokens, time, rope, onLayer } = pass;
  const [batch, length] = tokens.shape as [number, number];
  const times = time.e.shape[1]!;
  let x = tf.reshape(tokens, [batch, times, length / times, config.dim]); // [B, L, D] -> [B, T, S, D]
  for (let layer = 0; layer < config.num_layers; layer++) {
    const name = `blocks.${layer}`;
    const tap: LayerTap = (part, output) => onLayer?.(`${name}.${part}`, output);
    const [attend, text] = [pass.attend(layer), pass.text(layer)];
    const before = x;
    const after = withBlock(weights, name, (block) => {
      return { y: wanBlock(block, before, { config, e0: time.e0, rope, attend, text, tap }), ...pass.met?.() };
    });
    x = after.y;
    if (weights.lend) before.dispose();
    onLayer?.(name, x);
  }
  return x;
}

/** Residual stream [B, T, S, D] to predictions [B, L, pt ph pw C_out]. */
export function runHead(net: Part<WanConfig>, x: Tensor, e: Tensor): Tensor {
  const { weights, config } = net;
  const [batch, times, size] = x.shape as [number, number, number];
  const rows = tf.reshape(e, [e.shape[0]!, times, 1, config.dim]);
  const modulation = tf.add(weights.get('head.modulation'), rows); // [1, 2, D] + [B, T, 1, D]
  const [shift, scale] = tf.split(modulation, 2, 2) as [Tensor, Tensor]; // 2 of [B, T, 1, D]
  const y = dense(weights, 'head.head', modulate(layerNorm(x, null, null, config.eps), shift, scale));
  return tf.reshape(y, [batch, times * size, y.shape[3]!]); // [B, T, S, P] -> [B, L, P]
}
