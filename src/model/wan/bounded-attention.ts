import { attention } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { tokenRange } from './visibility.ts';

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
