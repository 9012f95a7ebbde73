import { type Tensor, tf } from '../tf.ts';
import { expectShape } from './check.ts';
import { fused } from './dispatch.ts';

/** What `attention` may be told beside its three tensors. */
export interface AttentionOptions {
  /** Factor of the logits; 1/√D unless given. */
  scale?: number;
  /** bool, int32 or float of 0 and 1, broadcastable to [B, N, Lq, Lk]; 1 = may attend. A row of zeros attends evenly. */
  mask?: Tensor | null;
  /** Added to the logits, broadcastable to [B, N, Lq, Lk]; has a gradient. */
  bias?: Tensor | null;
}

/** Added to the logit of a masked key: large enough that its probability is exactly 0 in float32. */
const MASKED = -1e9;

/**
 * Scaled dot-product attention per head: softmax(scale q kᵀ + bias) v.
 *
 * @param q - [B, Lq, N, D]
 * @param k - [B, Lk, N, D]
 * @param v - [B, Lk, N, D]
 * @returns [B, Lq, N, D]
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  expectShape('attention', 'q', q, ['B', 'Lq', 'N', 'D']);
  const [batch, , heads, width] = q.shape as [number, number, number, number];
  expectShape('attention', 'k', k, [batch, 'Lk', heads, width]);
  expectShape('attention', 'v', v, [batch, k.shape[1] as number, heads, 'D']);
  const { scale = 1 / Math.sqrt(width), mask = null, bias = null } = options;
  if (mask) expectLogits('mask', mask, q, k);
  if (bias) expectLogits('bias', bias, q, k);
  return fused({
    name: 'fused.attention',
    inputs: { q, k, v, ...(bias && { bias }) },
    ...(mask && { constants: { mask } }),
    attributes: { scale },
    reference: () => attentionReference(q, k, v, scale, mask, bias),
  });
}

function attentionReference(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scale: number,
  mask: Tensor | null,
  bias: Tensor | null,
): Tensor {
  const heads = (x: Tensor): Tensor => tf.transpose(x, [0, 2, 1, 3]); // [B, L, N, D] -> [B, N, L, D]
  let logits: Tensor = tf.mul(tf.matMul(heads(q), heads(k), false, true), scale); // [B, N, Lq, Lk]
  if (bias) logits = tf.add(logits, bias);
  if (mask) logits = tf.add(logits, tf.mul(tf.sub(1, tf.cast(mask, 'float32')), MASKED));
  return heads(tf.matMul(tf.softmax(logits), heads(v)));
}

function expectLogits(argument: string, tensor: Tensor, q: Tensor, k: Tensor): void {
  const wanted = [q.shape[0], q.shape[2], q.shape[1], k.shape[1]]; // [B, N, Lq, Lk]
  const offset = 4 - tensor.shape.length;
  const fits = offset >= 0 && tensor.shape.every((size, axis) => size === 1 || size === wanted[axis + offset]);
  if (fits) return;
  throw new Error(
    `attention: ${argument} has shape [${tensor.shape}], want one that broadcasts to [B, N, Lq, Lk] = [${wanted}]`,
  );
}
