import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part } from '../../nn/index.ts';
import type { KeyValue, LayerTap } from './block.ts';
import { boundedAttention } from './bounded-attention.ts';
import { type CachePlan, extendLayer, type KvCache, planCache } from './cache.ts';
import type { WanConfig } from './config.ts';
import { embedPatches } from './embedding.ts';
import { runBlocks, runHead, timeOf, type WanInput } from './pass.ts';
import { tokenGrid, unpatchify } from './patches.ts';
import { ropeOf } from './rope.ts';
import { textSource } from './text-cache.ts';

/** Options of {@link wanCachedForward}. */
export interface WanCachedOptions {
  /** Index of the first token frame of `x` in the video; default the one after the cache's last. */
  startFrame?: number;
  /** Sees intermediate outputs by name. */
  onLayer?: LayerTap;
}

/** Result of {@link wanCachedForward}. */
export type WanCachedResult = {
  /** [B, f, H, W, out_dim] */
  velocity: Tensor;
  /** The cache with this block's keys and values at its end. */
  cache: KvCache;
};

/**
 * Velocity of one block of frames that sees the cached past, and the cache that holds the block too.
 *
 * The given cache is not changed and stays the caller's; the new one shares no memory with it. While a block is
 * denoised, pass the cache of its past to every step and keep only the cache of the last pass, over the clean block
 * at t = 0. A pass over a block that is at the end of the cache replaces it. Gradients do not reach the past.
 *
 * @param input x [B, f, H, W, in_dim], t one value, [B] or [B, f], context embeddings or a cross-attention cache
 * @throws RangeError if the block does not follow on the cache.
 * @example
 * const { velocity, cache } = wanCachedForward(weights, config, { x, t: 1000, context }, createCache(config, 1560));
 */
export function wanCachedForward(
  net: Part<WanConfig>,
  { x, t, context }: WanInput,
  cache: KvCache,
  options: WanCachedOptions = {},
): WanCachedResult {
  const { config } = net;
  const grid = tokenGrid(config, x);
  const frameTokens = grid[1] * grid[2];
  const startFrame = options.startFrame ?? cache.globalEnd / frameTokens;
  if (!Number.isInteger(startFrame) || startFrame < 0) {
    throw new RangeError(`startFrame: wanted a whole frame of ${frameTokens} tokens, received ${startFrame}`);
  }
  const plan = planCache(cache, startFrame * frameTokens, grid[0] * frameTokens, config.sink_size * frameTokens);
  const { velocity, layers } = tf.tidy(() => {
    const time = timeOf(net, t, x.shape[0]!, grid[0]);
    const seen: KeyValue[] = [];
    const hidden = runBlocks(net, {
      tokens: embedPatches(net, x),
      time,
      rope: ropeOf(config, grid, startFrame),
      attend: (layer) => (q, own) => boundedAttention(q, ...recorded(seen, cache.layers[layer], own, plan)),
      text: textSource(net, context, x.shape[0]!),
      onLayer: options.onLayer,
      met: () => seen.at(-1)!,
    });
    const y = runHead(net, hidden, time.e);
    return { velocity: unpatchify(config, y, grid), layers: seen };
  });
  const { globalEnd, localEnd } = plan;
  return { velocity, cache: { layers, globalEnd, localEnd, capacity: cache.capacity } };
}

/** Extends a layer's past and remembers the result for the next cache. */
function recorded(seen: KeyValue[], past: KeyValue | undefined, own: KeyValue, plan: CachePlan): [Tensor, Tensor] {
  const extended = extendLayer(past, own, plan);
  seen.push(extended);
  return [extended.k, extended.v];
}
