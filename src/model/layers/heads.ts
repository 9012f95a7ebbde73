import { attention } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';

/** Attention of tokens to each other from their queries, keys and values side by side: [B, L, 3 D] -> [B, L, D]. */
export function selfAttention(qkv: Tensor, heads: number, mask: Tensor | null = null): Tensor {
  const [q, k, v] = tf.split(qkv, 3, 2).map((part) => splitHeads(part, heads)) as [Tensor, Tensor, Tensor];
  return joinHeads(attention(q, k, v, { mask }));
}

/** [B, L, D] -> [B, L, N, D / N] */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, length, width] = x.shape as [number, number, number];
  return tf.reshape(x, [batch, length, heads, width / heads]);
}

/** [B, L, N, D / N] -> [B, L, D] */
export function joinHeads(x: Tensor): Tensor {
  const [batch, length, heads, depth] = x.shape as [number, number, number, number];
  return tf.reshape(x, [batch, length, heads * depth]);
}
