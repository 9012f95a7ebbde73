/**
 * How tokens attend: some queries after the other where all logits would not fit, and what the tokens of a causal
 * transformer see of each other, as ranges of token frames from which a mask or a list of attention calls follows.
 * Source: Self-Forcing wan/modules/causal_model.py (`_prepare_blockwise_causal_attn_mask`,
 * `_prepare_teacher_forcing_mask`).
 */
import { attention } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type HostTensor, hostTensor } from '../../io/index.ts';
import type { Attend } from './block.ts';
import type { WanConfig } from './config.ts';

/** Positions from `start` up to, not including, `end`. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The frames of `queries` see those of all `keys`. */
export interface Visibility {
  readonly queries: Range;
  readonly keys: readonly Range[];
}

/** Blocks of frames that are denoised together: all of `num_frame_per_block`, or a single frame first. */
export function causalBlocks(config: WanConfig, frames: number): Range[] {
  const size = config.num_frame_per_block;
  const blocks: Range[] = [];
  for (let start = 0; start < frames; start = blocks.at(-1)!.end) {
    const length = start === 0 && config.independent_first_frame ? 1 : size;
    blocks.push({ start, end: Math.min(start + length, frames) });
  }
  return blocks;
}

/**
 * Block-causal: a block sees itself and all before it, or with `local_attn_size` A only the A frames up to its end
 * (to the end of a whole block where the last one is cut short).
 */
export function causalVisibility(config: WanConfig, frames: number): Visibility[] {
  const { local_attn_size: local, num_frame_per_block: size, independent_first_frame: single } = config;
  return causalBlocks(config, frames).map(({ start, end }) => {
    const wholeEnd = start === 0 && single ? 1 : start + size;
    return { queries: { start, end }, keys: [{ start: local === -1 ? 0 : Math.max(0, wholeEnd - local), end }] };
  });
}

/**
 * Teacher forcing on [clean | noisy] frames: a clean block sees the clean blocks up to itself, a noisy block the clean
 * blocks before it and itself.
 *
 * @throws RangeError for the forms that the reference does not define.
 */
export function teacherForcingVisibility(config: WanConfig, frames: number): Visibility[] {
  if (config.independent_first_frame || config.local_attn_size !== -1) {
    throw new RangeError('teacher forcing is defined for independent_first_frame false and local_attn_size -1 only');
  }
  const clean = causalVisibility(config, frames);
  const noisy = clean.map(({ queries: { start, end } }) => {
    const own = { start: frames + start, end: frames + end };
    return { queries: own, keys: start === 0 ? [own] : [{ start: 0, end: start }, own] };
  });
  return [...clean, ...noisy];
}

/** Mask [L, L] of 0 and 1 (1 = may attend) over frames of `frameTokens` tokens each. */
export function visibilityMask(visibility: readonly Visibility[], frameTokens: number): HostTensor {
  const length = visibility.reduce((end, { queries }) => Math.max(end, queries.end), 0) * frameTokens;
  const mask = new Uint8Array(length * length);
  for (const { queries, keys } of visibility) {
    for (let q = queries.start * frameTokens; q < queries.end * frameTokens; q++) {
      for (const { start, end } of keys) mask.fill(1, q * length + start * frameTokens, q * length + end * frameTokens);
    }
  }
  return hostTensor('bool', [length, length], mask);
}

/** Attention of one visibility after the other: no mask, and no work for what is hidden. */
export function attendByBlocks(visibility: readonly Visibility[], frameTokens: number): Attend {
  return (q, own) =>
    tf.concat(
      visibility.map(({ queries, keys }) => {
        const seen = (x: Tensor): Tensor => joined(keys.map((range) => frameRange(x, range, frameTokens)));
        return attention(frameRange(q, queries, frameTokens), seen(own.k), seen(own.v));
      }),
      1,
    );
}

/** Concatenation over the tokens of [B, L, N, d]. */
export function joined(parts: Tensor[]): Tensor {
  return parts.length === 1 ? parts[0]! : tf.concat(parts, 1);
}

function frameRange(x: Tensor, { start, end }: Range, frameTokens: number): Tensor {
  return tokenRange(x, { start: start * frameTokens, end: end * frameTokens });
}

/** Tokens of a range of [B, L, N, d]. */
export function tokenRange(x: Tensor, { start, end }: Range): Tensor {
  if (start === 0 && end === x.shape[1]) return x;
  const rest = x.shape.slice(2);
  return tf.slice(x, [0, start, ...rest.map(() => 0)], [-1, end - start, ...rest.map(() => -1)]);
}

/** Logits that one call of attention may hold, over all heads: 1 GiB of float32. */
const maxLogits = 2 ** 28;

/** Queries that attend at once, of `queries` over `keys`. */
export function queriesAtOnce(batch: number, heads: number, queries: number, keys: number): number {
  return Math.min(queries, Math.max(1, Math.floor(maxLogits / (batch * heads * keys))));
}

/**
 * `attention` of q [B, Lq, N, d] over k and v [B, Lk, N, d], some queries after the other where all logits together
 * would need more memory than the weights: at 32,760 tokens those of 12 heads are 51 GB.
 */
export function boundedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  options: { readonly mask?: Tensor | null; readonly atOnce?: number } = {},
): Tensor {
  const [batch, queries, heads] = q.shape as [number, number, number];
  const { mask = null, atOnce = queriesAtOnce(batch, heads, queries, k.shape[1]!) } = options;
  if (atOnce >= queries) return attention(q, k, v, { mask });
  const starts = Array.from({ length: Math.ceil(queries / atOnce) }, (_, i) => i * atOnce);
  const parts = starts.map((start) => {
    const part = tokenRange(q, { start, end: Math.min(start + atOnce, queries) });
    return attention(part, k, v, { mask });
  });
  return tf.concat(parts, 1);
}
