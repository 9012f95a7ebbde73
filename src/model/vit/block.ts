/** The pre-norm vision transformer that BLIP and DINO share, with the weight names of timm. */
import { gelu, layerNorm, linear } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Shapes, WeightView } from '../../nn/index.ts';
import { affine, affineShapes, selfAttention } from '../layers/index.ts';

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

/** Sees inner values while a network runs, by official names; keep a clone to use them later. */
export type ModuleTap = (name: string, output: Tensor) => void;

const epsilon = 1e-6;

/**
 * All blocks and the final norm: x += attn(norm1 x); x += mlp(norm2 x), exact GELU.
 *
 * @param x - tokens [B, L, D], class token first, positions added
 * @returns [B, L, D]
 */
export function vitBlocks(weights: WeightView, { depth, num_heads }: VitSizes, x: Tensor, onValue?: ModuleTap): Tensor {
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
