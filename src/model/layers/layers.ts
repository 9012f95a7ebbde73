/** What networks share: affine layers by name, attention heads, norms, activations. */
import { attention } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { WeightView } from '../../nn/index.ts';

/** Weight and bias below a name. */
export function affine(weights: WeightView, name: string): [weight: Tensor, bias: Tensor] {
  return [weights.get(`${name}.weight`), weights.get(`${name}.bias`)];
}

/** Shapes of a weight and its bias below a name. */
export function affineShapes(name: string, ...weight: number[]): [string, number[]][] {
  return [
    [`${name}.weight`, weight],
    [`${name}.bias`, weight.slice(0, 1)],
  ];
}

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

const epsilon = 1e-5;

/** Mean 0 and variance 1 of each channel of each picture [B, H, W, C], without weights (PyTorch's InstanceNorm2d). */
export function instanceNorm(x: Tensor): Tensor {
  const centred = tf.sub(x, pixelMean(x));
  return tf.mul(centred, tf.rsqrt(tf.add(pixelMean(tf.square(centred)), epsilon)));
}

/** Mean over height and width, one after the other: a single long float32 sum loses digits. */
function pixelMean(x: Tensor): Tensor {
  return tf.mean(tf.mean(x, 2, true), 1, true);
}

/** x sigmoid(1.702 x), CLIP's approximation of GELU. */
export function quickGelu(x: Tensor): Tensor {
  return tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)));
}

/** Rows divided by their 2-norms: [B, D]. */
export function unitRows(features: Tensor): Tensor {
  return tf.tidy(() => tf.mul(features, tf.rsqrt(tf.sum(tf.square(features), -1, true))));
}
