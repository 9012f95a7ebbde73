/** Vision transformers: patches and class token as all have them, and the pre-norm tower of BLIP and DINO under timm's names. */
import { gelu, layerNorm, linear } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Shapes, Tapped, WeightView } from '../../nn/index.ts';
import { affine, affineShapes, selfAttention } from './layers.ts';

/** Sizes of a vision transformer. */
export interface VitSizes {
  /** Side of a patch in pixels. */
  readonly patch_size: number;
  /** Width of tokens. */
  readonly embed_dim: number;
  /** Number of blocks. */
  readonly depth: number;
  readonly num_heads: number;
}

const epsilon = 1e-6;

/**
 * All blocks and the final norm: x += attn(norm1 x); x += mlp(norm2 x), exact GELU.
 *
 * @param x - tokens [B, L, D], class token first, positions added
 * @returns [B, L, D]
 */
export function vitBlocks(
  weights: WeightView,
  { depth, num_heads }: VitSizes,
  x: Tensor,
  { onValue }: Tapped = {},
): Tensor {
  let y = x;
  for (let i = 0; i < depth; i++) {
    y = vitBlock(weights.at(`blocks.${i}`), num_heads, y);
    onValue?.(`blocks.${i}`, y);
  }
  return layerNorm(y, ...affine(weights, 'norm'), epsilon);
}

function vitBlock(weights: WeightView, heads: number, x: Tensor): Tensor {
  return tf.tidy(() => {
    const normed = layerNorm(x, ...affine(weights, 'norm1'), epsilon);
    const mixed = selfAttention(linear(normed, ...affine(weights, 'attn.qkv')), heads);
    const y = tf.add(x, linear(mixed, ...affine(weights, 'attn.proj')));
    const wide = gelu(linear(layerNorm(y, ...affine(weights, 'norm2'), epsilon), ...affine(weights, 'mlp.fc1')), 'erf');
    return tf.add(y, linear(wide, ...affine(weights, 'mlp.fc2')));
  });
}

/** Shape of every weight of a tower whose position table fits square images of `imageSize` pixels. */
export function vitShapes({ patch_size, embed_dim, depth }: VitSizes, imageSize: number): Shapes {
  const patches = Math.floor(imageSize / patch_size) ** 2;
  return new Map([
    ['cls_token', [1, 1, embed_dim]],
    ['pos_embed', [1, patches + 1, embed_dim]],
    ...affineShapes('patch_embed.proj', embed_dim, 3, patch_size, patch_size),
    ...Array.from({ length: depth }, (_, i) => blockShapes(`blocks.${i}`, embed_dim)).flat(),
    ...affineShapes('norm', embed_dim),
  ]);
}

function blockShapes(block: string, width: number): [string, number[]][] {
  return [
    ...affineShapes(`${block}.norm1`, width),
    ...affineShapes(`${block}.attn.qkv`, 3 * width, width),
    ...affineShapes(`${block}.attn.proj`, width, width),
    ...affineShapes(`${block}.norm2`, width),
    ...affineShapes(`${block}.mlp.fc1`, 4 * width, width),
    ...affineShapes(`${block}.mlp.fc2`, width, 4 * width),
  ];
}

/**
 * Patch tokens of images, width fastest: a convolution whose stride is its kernel, computed as a linear layer. Pixels
 * beyond the last whole patch are not seen.
 *
 * @param images - [B, H, W, 3]
 * @param weight - [D, 3, p, p]
 * @param bias - [D], or null for none
 * @returns [B, floor(H / p) floor(W / p), D]
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

/** Puts the class token before patch tokens: [1, 1, D] or [D], [B, L, D] -> [B, 1 + L, D]. */
export function withClassToken(token: Tensor, patches: Tensor): Tensor {
  const [batch, , width] = patches.shape as [number, number, number];
  const repeated = tf.tile(tf.reshape(token, [1, 1, width]), [batch, 1, 1]);
  return tf.concat([repeated, patches], 1);
}

/** The class token's row: [B, L, D] -> [B, D]. */
export function classToken(x: Tensor): Tensor {
  const [batch, , width] = x.shape as [number, number, number];
  return tf.reshape(tf.slice(x, [0, 0, 0], [batch, 1, width]), [batch, width]);
}
