/**
 * The key/value cache of the causal student. A cache is a value: a pass takes one and returns a new one, so a block
 * can be denoised many times on the same past, and the past is a constant for every gradient.
 * Source of the arithmetic: Self-Forcing wan/modules/causal_model.py (`CausalWanSelfAttention.forward`).
 */
import { type Tensor, tf } from '../../engine/tf.ts';
import { stopGradient } from '../../nn/index.ts';
import type { KeyValue } from './block.ts';
import type { WanConfig } from './config.ts';
import { joined, type Range, tokenRange } from './visibility.ts';

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

/** What of a cache stays, and where its counters stand, after a pass over new tokens. */
export interface CachePlan {
  /** Ranges of the cached tokens that precede the new ones. */
  readonly kept: readonly Range[];
  readonly globalEnd: number;
  readonly localEnd: number;
}

/**
 * An empty cache. With `local_attn_size` A it holds A frames and rolls, keeping the first `sink_size`.
 *
 * @param frameTokens tokens of a latent frame: H W over the patch
 */
export function createCache(config: WanConfig, frameTokens: number): KvCache {
  const { local_attn_size: local } = config;
  return {
    layers: [],
    globalEnd: 0,
    localEnd: 0,
    capacity: local === -1 ? Number.POSITIVE_INFINITY : local * frameTokens,
  };
}

/** Releases the keys and values of a cache. */
export function disposeCache(cache: KvCache): void {
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
export function extendLayer(past: KeyValue | undefined, own: KeyValue, { kept }: CachePlan): KeyValue {
  if (past === undefined || kept.length === 0) return own;
  const before = (x: Tensor) => kept.map((range) => tokenRange(stopGradient(x), range));
  return { k: joined([...before(past.k), own.k]), v: joined([...before(past.v), own.v]) };
}

/** Keeps a cache alive beyond the enclosing `tf.tidy`; returns it. */
export function keepCache(cache: KvCache): KvCache {
  for (const { k, v } of cache.layers) [k, v].map((tensor) => tf.keep(tensor));
  return cache;
}
