/** Attention, and the rotary embedding of positions that goes before it. */
import { type Tensor, tf } from '../tf.ts';
import { defineFused, expectShape, maskedLogit } from './fused.ts';

/** What `attention` may be told beside its three tensors. */
export interface AttentionOptions {
  /** Factor of the logits; 1/√D unless given. */
  scale?: number;
  /** bool, int32 or float of 0 and 1, broadcastable to [B, N, Lq, Lk]; 1 = may attend. A row of zeros attends evenly. */
  mask?: Tensor | null;
  /** Added to the logits, broadcastable to [B, N, Lq, Lk]; has a gradient. */
  bias?: Tensor | null;
}

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
  return fusedAttention({ q, k, v, ...(bias && { bias }) }, { scale }, mask ? { mask } : {});
}

const fusedAttention = defineFused('attention', ({ q, k, v, mask, bias }, { scale }) => {
  const heads = (x: Tensor): Tensor => tf.transpose(x, [0, 2, 1, 3]); // [B, L, N, D] -> [B, N, L, D]
  let logits: Tensor = tf.mul(tf.matMul(heads(q), heads(k), false, true), scale); // [B, N, Lq, Lk]
  if (bias) logits = tf.add(logits, bias);
  if (mask) logits = tf.add(logits, tf.mul(tf.sub(1, tf.cast(mask, 'float32')), maskedLogit));
  return heads(tf.matMul(tf.softmax(logits), heads(v)));
});

function expectLogits(argument: string, tensor: Tensor, q: Tensor, k: Tensor): void {
  const wanted = [q.shape[0], q.shape[2], q.shape[1], k.shape[1]]; // [B, N, Lq, Lk]
  const offset = 4 - tensor.shape.length;
  const fits = offset >= 0 && tensor.shape.every((size, axis) => size === 1 || size === wanted[axis + offset]);
  if (fits) return;
  throw new Error(
    `attention: ${argument} has shape [${tensor.shape}], wanted one that broadcasts to [B, N, Lq, Lk] = [${wanted}]`,
  );
}

/**
 * Rotary position embedding of interleaved pairs: the pair (2j, 2j+1) is turned by the angle of (token, j),
 * as Wan does by complex multiplication.
 *
 * @param x - [B, L, N, D], D even
 * @param cos - [L, D/2], cosines of the angles (no gradient)
 * @param sin - [L, D/2], sines of the angles (no gradient)
 * @returns [B, L, N, D]
 */
export function rotary(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  expectShape('rotary', 'x', x, ['B', 'L', 'N', 'D']);
  const [, tokens, , width] = x.shape as [number, number, number, number];
  expectShape('rotary', 'cos', cos, [tokens, width / 2]);
  expectShape('rotary', 'sin', sin, [tokens, width / 2]);
  return fusedRotary({ x }, {}, { cos, sin });
}

const fusedRotary = defineFused('rotary', ({ x, cos, sin }) => {
  const [batch, tokens, heads, width] = x.shape as [number, number, number, number];
  const pairs = tf.reshape(x, [batch, tokens, heads, width / 2, 2]); // [B, L, N, D] -> [B, L, N, D/2, 2]
  const [even, odd] = tf.unstack(pairs, -1) as [Tensor, Tensor];
  const c = tf.reshape(cos, [tokens, 1, width / 2]);
  const s = tf.reshape(sin, [tokens, 1, width / 2]);
  const turned = [tf.sub(tf.mul(even, c), tf.mul(odd, s)), tf.add(tf.mul(even, s), tf.mul(odd, c))];
  return tf.reshape(tf.stack(turned, -1), [batch, tokens, heads, width]);
});
