/** What networks share: layers by name, attention heads, norms, pre-norm blocks, vision transformers, trees of shapes. */
import { attention, conv2d, gelu, layerNorm, linear } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Shapes, Tapped, WeightView } from '../../nn/index.ts';

/** Weights by name: the shape of one, or what lies below the name. */
export interface ShapeTree {
  readonly [name: string]: readonly number[] | ShapeTree;
}

/** Shapes by full name, in the order of the tree. */
export function shapesIn(tree: ShapeTree): Shapes {
  const isShape = (value: readonly number[] | ShapeTree): value is readonly number[] => Array.isArray(value);
  const entries = (part: ShapeTree, prefix: string): [string, readonly number[]][] =>
    Object.entries(part).flatMap(([name, value]): [string, readonly number[]][] =>
      isShape(value) ? [[prefix + name, value]] : entries(value, `${prefix}${name}.`),
    );
  return new Map(entries(tree, ''));
}

/** Shapes of a weight and its bias. */
export function biased(...weight: number[]): { weight: number[]; bias: number[] } {
  return { weight, bias: weight.slice(0, 1) };
}

/** Parts alike, one under each name; a number stands for 0, 1, 2, ... */
export function alike<Part extends ShapeTree>(names: number | readonly string[], part: Part): Record<string, Part> {
  const list = typeof names === 'number' ? Array.from({ length: names }, (_, i) => String(i)) : names;
  return Object.fromEntries(list.map((name) => [name, part]));
}

/** Weight and bias below a name. */
export function affine(weights: WeightView, name: string): [weight: Tensor, bias: Tensor] {
  return [weights.get(`${name}.weight`), weights.get(`${name}.bias`)];
}

/** x Wᵀ + b */
export function dense(weights: WeightView, name: string, x: Tensor): Tensor {
  return linear(x, ...affine(weights, name));
}

/** x Wᵀ */
export function unbiased(weights: WeightView, name: string, x: Tensor): Tensor {
  return linear(x, weights.get(`${name}.weight`), null);
}

/** A convolution that keeps height and width at stride 1: zero padding of half the kernel. x [B, H, W, C] */
export function sameConv(weights: WeightView, name: string, x: Tensor, stride: number = 1): Tensor {
  const [weight, bias] = affine(weights, name);
  const [rows, columns] = weight.shape.slice(2).map((extent) => (extent - 1) / 2) as [number, number];
  return conv2d(x, weight, bias, { stride, padding: [rows, rows, columns, columns] });
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

/** Mask [L, L], 1 where the column's token may be seen by the row's: itself and those before. */
export function causalMask(length: number): Tensor {
  const data = Float32Array.from({ length: length * length }, (_, i) => (i % length <= Math.floor(i / length) ? 1 : 0));
  return tf.tensor2d(data, [length, length]);
}

/** Mean 0 and variance 1 of each channel of each picture [B, H, W, C], without weights (PyTorch's InstanceNorm2d). */
export function instanceNorm(x: Tensor): Tensor {
  const centred = tf.sub(x, pixelMean(x));
  return tf.mul(centred, tf.rsqrt(tf.add(pixelMean(tf.square(centred)), 1e-5)));
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

/** How a pre-norm block differs from others. */
export interface PreNorm {
  /** Tokens mixed with each other, projected. */
  readonly mix: (normed: Tensor) => Tensor;
  /** @defaultValue exact GELU */
  readonly activate?: (wide: Tensor) => Tensor;
  /** Both norms, and both layers of the feed-forward part. @defaultValue timm's names */
  readonly names?: readonly [first: string, second: string, wide: string, narrow: string];
  /** @defaultValue 1e-6 */
  readonly epsilon?: number;
}

/** x += mix(norm1 x); x += narrow(activate(wide(norm2 x))) */
export function preNormBlock(weights: WeightView, x: Tensor, block: PreNorm): Tensor {
  const { mix, activate = (wide) => gelu(wide, 'erf'), epsilon = 1e-6 } = block;
  const [first, second, wide, narrow] = block.names ?? ['norm1', 'norm2', 'mlp.fc1', 'mlp.fc2'];
  return tf.tidy(() => {
    const y = tf.add(x, mix(layerNorm(x, ...affine(weights, first), epsilon)));
    const normed = layerNorm(y, ...affine(weights, second), epsilon);
    return tf.add(y, dense(weights, narrow, activate(dense(weights, wide, normed))));
  });
}

/** Sizes of a vision transformer: side of a patch in pixels, width of tokens, blocks, heads. */
export type VitSizes = Readonly<Record<'patch_size' | 'embed_dim' | 'depth' | 'num_heads', number>>;

/** All blocks and the final norm of BLIP's and DINO's towers, on tokens [B, L, D]: class token first, positions added. */
export function vitBlocks(
  weights: WeightView,
  { depth, num_heads }: VitSizes,
  x: Tensor,
  { onValue }: Tapped = {},
): Tensor {
  let y = x;
  for (let i = 0; i < depth; i++) {
    const block = weights.at(`blocks.${i}`);
    const mix = (normed: Tensor): Tensor =>
      dense(block, 'attn.proj', selfAttention(dense(block, 'attn.qkv', normed), num_heads));
    y = preNormBlock(block, y, { mix });
    onValue?.(`blocks.${i}`, y);
  }
  return layerNorm(y, ...affine(weights, 'norm'), 1e-6);
}

/** Weights of a tower whose position table fits square images of `imageSize` pixels, under timm's names. */
export function vitTree({ patch_size, embed_dim: width, depth }: VitSizes, imageSize: number): ShapeTree {
  return {
    cls_token: [1, 1, width],
    pos_embed: [1, Math.floor(imageSize / patch_size) ** 2 + 1, width],
    patch_embed: { proj: biased(width, 3, patch_size, patch_size) },
    blocks: alike(depth, {
      norm1: biased(width),
      attn: { qkv: biased(3 * width, width), proj: biased(width, width) },
      norm2: biased(width),
      mlp: { fc1: biased(4 * width, width), fc2: biased(width, 4 * width) },
    }),
    norm: biased(width),
  };
}

/**
 * Patch tokens [B, floor(H / p) floor(W / p), D] of images [B, H, W, 3], width fastest: a convolution whose stride is its
 * kernel [D, 3, p, p], computed as a linear layer. Pixels beyond the last whole patch are not seen.
 */
export function patchTokens(images: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  const [batch, height, width, channels] = images.shape as [number, number, number, number];
  const [dim, , patch] = weight.shape as [number, number, number, number];
  const [rows, columns] = [Math.floor(height / patch), Math.floor(width / patch)];
  if (rows === 0 || columns === 0) {
    throw new RangeError(`images have shape [${images.shape}]; wanted at least one patch of ${patch}x${patch} pixels`);
  }
  const whole = tf.slice(images, [0, 0, 0, 0], [batch, rows * patch, columns * patch, channels]);
  const cells = tf.reshape(whole, [batch * rows, patch, columns, patch * channels]);
  // [B h, p, w, p C] -> [B h, w, p, p C] -> [B, L, p p C]
  const inOrder = tf.reshape(tf.transpose(cells, [0, 2, 1, 3]), [batch, rows * columns, patch * patch * channels]);
  const kernel = tf.reshape(tf.transpose(weight, [0, 2, 3, 1]), [dim, patch * patch * channels]); // [D,C,p,p] -> [D, p p C]
  return linear(inOrder, kernel, bias);
}

/** Throws unless images are [B, side, side, 3], as the tower's position table wants them. */
export function checkSquare(images: Tensor, side: number): void {
  if (images.rank === 4 && images.shape[1] === side && images.shape[2] === side) return;
  throw new RangeError(`images have shape [${images.shape}]; wanted [B, ${side}, ${side}, 3]`);
}

/** Puts the class token before patch tokens: [1, 1, D] or [D], [B, L, D] -> [B, 1 + L, D]. */
export function withClassToken(token: Tensor, patches: Tensor): Tensor {
  const [batch, , width] = patches.shape as [number, number, number];
  return tf.concat([tf.tile(tf.reshape(token, [1, 1, width]), [batch, 1, 1]), patches], 1);
}

/** The class token's row: [B, L, D] -> [B, D]. */
export function classToken(x: Tensor): Tensor {
  const [batch, , width] = x.shape as [number, number, number];
  return tf.reshape(tf.slice(x, [0, 0, 0], [batch, 1, width]), [batch, width]);
}
