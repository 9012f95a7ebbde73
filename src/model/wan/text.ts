/** The text that every layer attends to: embedded, and its keys and values kept where many passes share it. */
import { gelu } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part } from '../../nn/index.ts';
import { withBlock } from '../../nn/internal.ts';
import { dense } from '../layers/layers.ts';
import { type KeyValue, textKeyValue } from './block.ts';
import type { WanConfig } from './config.ts';

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
  const missing: [number, number] = [0, text_len - tokens];
  const padded = tokens === text_len ? context : tf.pad(context, [[0, 0], missing, [0, 0]]);
  return dense(weights, 'text_embedding.2', gelu(dense(weights, 'text_embedding.0', padded), 'tanh'));
}

/** Keys and values of a text for every layer's cross-attention; computed once for a prompt, used by all passes. */
export interface CrossAttnCache {
  readonly layers: readonly KeyValue[];
}

/** Text for a pass: embeddings [B, n <= text_len, text_dim], or their keys and values computed before. */
export type WanContext = Tensor | CrossAttnCache;

/**
 * Computes the keys and values of a text once, for sampling with fixed weights. The caller disposes it with
 * `disposeCache`. A pass that is differentiated should be given the embeddings instead: through a
 * cache made outside of the gradient, the text layers would learn nothing.
 *
 * @param context [B, n <= text_len, text_dim]
 */
export function createCrossAttnCache(net: Part<WanConfig>, context: Tensor): CrossAttnCache {
  return tf.tidy(() => {
    const text = embedText(net, context);
    return { layers: Array.from({ length: net.config.num_layers }, (_, i) => layerText(net, i, text)) };
  });
}

/**
 * Keys and values of the text by layer, computed or taken from a cache.
 *
 * @throws RangeError if the text is of another batch, or the cache of another model.
 */
export function textSource(net: Part<WanConfig>, context: WanContext, batch: number): (layer: number) => KeyValue {
  const { config } = net;
  const isCache = !(context instanceof tf.Tensor);
  const rows = isCache ? context.layers[0]?.k.shape[0] : context.shape[0];
  if (rows !== batch) throw new RangeError(`context: wanted a text for each of ${batch} samples, received ${rows}`);
  if (isCache) {
    const { layers } = context;
    if (layers.length === config.num_layers) return (layer) => layers[layer]!;
    throw new RangeError(`context: wanted a cache of ${config.num_layers} layers, received one of ${layers.length}`);
  }
  const text = embedText(net, context);
  return (layer) => layerText(net, layer, text);
}

/** Keys and values of the embedded text for one layer. */
function layerText(net: Part<WanConfig>, layer: number, text: Tensor): KeyValue {
  const { weights, config } = net;
  return withBlock(weights, `blocks.${layer}`, (block) => textKeyValue(block.at('cross_attn'), text, config));
}
