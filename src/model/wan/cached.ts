/**
 * The causal student block by block. Its key/value cache is a value: a pass takes one and returns a new one, so a block
 * can be denoised many times on the same past, and the past is a constant for every gradient.
 * Source of the arithmetic: Self-Forcing wan/modules/causal_model.py (`CausalWanSelfAttention.forward`).
 */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Part, stopGradient, type Tapped } from '../../nn/index.ts';
import { boundedAttention, joined, type Range, tokenRange } from './attention.ts';
import type { Attend, KeyValue } from './block.ts';
import type { WanConfig } from './config.ts';
import { tokenGrid, unpatchify } from './embedding.ts';
import { passOf, runBlocks, runHead, type WanInput } from './pass.ts';
import { ropeOf } from './positions.ts';

/** Keys (normalised, rotated by absolute positions) and values of the tokens seen so far. */
export interface KvCache {
  /** Per layer, [B, localEnd, N, d]; empty before the first pass. */
  readonly layers: readonly KeyValue[];
  /** Tokens passed so far. */
  readonly globalEnd: number;
  /** Tokens held. */
  readonly localEnd: number;
  /** Most tokens held, or Infinity. */
  readonly capacity: number;
}

/** What of a cache stays, ranges of tokens that precede the new ones, and where its counters stand after a pass. */
export interface CachePlan extends Pick<KvCache, 'globalEnd' | 'localEnd'> {
  readonly kept: readonly Range[];
}

/**
 * An empty cache for latent frames of `frameTokens` tokens (H W over the patch). With `local_attn_size` A it holds A
 * frames and rolls, keeping the first `sink_size`.
 */
export function createCache({ local_attn_size: local }: WanConfig, frameTokens: number): KvCache {
  const capacity = local === -1 ? Number.POSITIVE_INFINITY : local * frameTokens;
  return { layers: [], globalEnd: 0, localEnd: 0, capacity };
}

/** Releases the keys and values of a cache, of a past or of a text. */
export function disposeCache(cache: Pick<KvCache, 'layers'>): void {
  for (const { k, v } of cache.layers) tf.dispose([k, v]);
}

/**
 * Decides what a pass over the tokens [start, start + count) keeps of a cache: a repeated pass replaces its own
 * tokens, a new one is appended, and where the cache is full the oldest tokens after the sink go.
 *
 * @throws RangeError if the tokens leave a gap, or do not fit at all.
 */
export function planCache(cache: KvCache, start: number, count: number, sinkTokens: number): CachePlan {
  const { globalEnd, localEnd, capacity } = cache;
  const end = start + count;
  const isRolling = end > globalEnd && count + localEnd > capacity;
  const evicted = isRolling ? count + localEnd - capacity : 0;
  const nextEnd = localEnd + end - globalEnd - evicted;
  const before = nextEnd - count;
  if (start > globalEnd || before < 0 || (isRolling && before < sinkTokens)) {
    const room = `a cache of ${localEnd} tokens up to ${globalEnd} with room for ${capacity} and ${sinkTokens} fixed`;
    throw new RangeError(`tokens ${start} to ${end} do not follow on ${room}: pass the blocks in order`);
  }
  const whole = [{ start: 0, end: before }];
  const around = [
    { start: 0, end: sinkTokens },
    { start: sinkTokens + evicted, end: before + evicted },
  ];
  const kept = (isRolling ? around : whole).filter((range) => range.end > range.start);
  return { kept, globalEnd: end, localEnd: nextEnd };
}

/** Keys and values that a layer's queries meet: what is kept of the past, as constants, then their own. */
function extendLayer(past: KeyValue | undefined, own: KeyValue, { kept }: CachePlan): KeyValue {
  if (past === undefined || kept.length === 0) return own;
  const before = (x: Tensor) => kept.map((range) => tokenRange(stopGradient(x), range));
  return { k: joined([...before(past.k), own.k]), v: joined([...before(past.v), own.v]) };
}

/** Options of {@link wanCachedForward}. */
export interface WanCachedOptions extends Tapped {
  /** Index of the first token frame of `x` in the video. @defaultValue the one after the cache's last */
  startFrame?: number;
}

/** Result of {@link wanCachedForward}. */
export type WanCachedResult = {
  /** [B, f, H, W, out_dim] */
  velocity: Tensor;
  /** The cache with this block's keys and values at its end. */
  cache: KvCache;
};

/**
 * Velocity of one block of frames that sees the cached past, and the cache that holds the block too. The given cache is not changed and stays the caller's; the new one shares no memory with it. While a block is
 * denoised, pass the cache of its past to every step and keep only the cache of the last pass, over the clean block
 * at t = 0. A pass over a block that is at the end of the cache replaces it. Gradients do not reach the past.
 *
 * @param input x [B, f, H, W, in_dim], t one value, [B] or [B, f], context embeddings or a cross-attention cache
 * @throws RangeError if the block does not follow on the cache.
 * @example
 * const { velocity, cache } = wanCachedForward(net, { x, t: 1000, context }, createCache(config, 1560));
 */
export function wanCachedForward(
  net: Part<WanConfig>,
  input: WanInput,
  cache: KvCache,
  options: WanCachedOptions = {},
): WanCachedResult {
  const { config } = net;
  const grid = tokenGrid(config, input.x);
  const frameTokens = grid[1] * grid[2];
  const startFrame = options.startFrame ?? cache.globalEnd / frameTokens;
  if (!Number.isInteger(startFrame) || startFrame < 0) {
    throw new RangeError(`startFrame: wanted a whole frame of ${frameTokens} tokens, received ${startFrame}`);
  }
  const plan = planCache(cache, startFrame * frameTokens, grid[0] * frameTokens, config.sink_size * frameTokens);
  const { velocity, layers } = tf.tidy(() => {
    const pass = passOf(net, input, grid[0], options);
    const seen: KeyValue[] = [];
    const attend = (layer: number): Attend => {
      return (q, own) => {
        const met = extendLayer(cache.layers[layer], own, plan);
        seen.push(met); // for the next cache
        return boundedAttention(q, met.k, met.v);
      };
    };
    const rope = ropeOf(config, grid, startFrame);
    const hidden = runBlocks(net, { ...pass, rope, attend, met: () => seen.at(-1)! });
    return { velocity: unpatchify(config, runHead(net, hidden, pass.time.e), grid), layers: seen };
  });
  const { globalEnd, localEnd } = plan;
  return { velocity, cache: { layers, globalEnd, localEnd, capacity: cache.capacity } };
}
