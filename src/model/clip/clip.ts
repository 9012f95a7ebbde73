/** CLIP: an image tower and a text tower that project to one space. Source: OpenAI CLIP clip/model.py (ViT variants). */
import { layerNorm, linear } from '../../engine/ops/index.ts';
import { type Tensor, type Tensor2D, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Tapped, type WeightView } from '../../nn/index.ts';
import { tapBelow } from '../../nn/internal.ts';
import {
  affine,
  causalMask,
  checkSquare,
  classToken,
  dense,
  patchTokens,
  preNormBlock,
  quickGelu,
  selfAttention,
  unitRows,
  withClassToken,
} from '../layers/layers.ts';
import {
  type ClipConfig,
  type ClipPreset,
  clipOfficialShapes,
  clipPresets,
  clipReadName,
  clipShapes,
  openaiEntries,
} from './weights.ts';

const epsilon = 1e-5;

/** Image features [B, embed_dim], projected, not normalised, of preprocessed images [B, side, side, 3]. */
export function clipImageFeatures(net: Part<ClipConfig>, images: Tensor, { onValue }: Tapped = {}): Tensor {
  const { weights, config } = net;
  const { image_resolution: side, vision_layers: layers, vision_heads: heads = config.vision_width / 64 } = config;
  checkSquare(images, side);
  return tf.tidy(() => {
    const visual = weights.at('visual');
    const patches = patchTokens(images, visual.get('conv1.weight'), null);
    const x = tf.add(withClassToken(visual.get('class_embedding'), patches), visual.get('positional_embedding'));
    const start = layerNorm(x, ...affine(visual, 'ln_pre'), epsilon);
    onValue?.('visual.ln_pre', start);
    const tokens = resblocks(visual, { layers, heads, mask: null, ...tapBelow('visual', onValue) }, start);
    const pooled = layerNorm(classToken(tokens), ...affine(visual, 'ln_post'), epsilon);
    return tf.matMul(pooled as Tensor2D, visual.get('proj') as Tensor2D);
  });
}

/**
 * Text features [B, embed_dim] of ids int32 [B, L <= context_length], projected, not normalised: the state at the end
 * token, which has the largest id. Each token sees itself and those before it.
 */
export function clipTextFeatures(net: Part<ClipConfig>, ids: Tensor, { onValue }: Tapped = {}): Tensor {
  const { weights, config } = net;
  const [batch, length] = ids.shape as [number, number];
  const { context_length, transformer_width: width, transformer_layers: layers, transformer_heads: heads } = config;
  if (length > context_length) {
    throw new RangeError(`ids have shape [${ids.shape}]; wanted at most ${context_length} tokens`);
  }
  return tf.tidy(() => {
    const places = tf.slice(weights.get('positional_embedding'), [0, 0], [length, width]);
    const x = tf.add(tf.gather(weights.get('token_embedding.weight'), ids), places); // [B,L] -> [B,L,D]
    const states = resblocks(weights, { layers, heads, mask: causalMask(length), onValue }, x);
    const normed = layerNorm(states, ...affine(weights, 'ln_final'), epsilon);
    const end = tf.oneHot(tf.argMax(ids, 1).toInt(), length).toFloat(); // [B,L]
    const pooled = tf.matMul(tf.reshape(end, [batch, 1, length]), normed); // [B,1,L] x [B,L,D] -> [B,1,D]
    return tf.matMul(tf.reshape(pooled, [batch, width]) as Tensor2D, weights.get('text_projection') as Tensor2D);
  });
}

interface TowerOptions extends Tapped {
  readonly layers: number;
  readonly heads: number;
  readonly mask: Tensor | null;
}

/** x += attn(ln_1 x); x += mlp(ln_2 x): the blocks of both towers, and of ViCLIP. */
export function resblocks(weights: WeightView, { layers, heads, mask, onValue }: TowerOptions, x: Tensor): Tensor {
  let y = x;
  for (let i = 0; i < layers; i++) {
    const name = `transformer.resblocks.${i}`;
    const block = weights.at(name);
    const mix = (normed: Tensor): Tensor => {
      const qkv = linear(normed, block.get('attn.in_proj_weight'), block.get('attn.in_proj_bias'));
      return dense(block, 'attn.out_proj', selfAttention(qkv, heads, mask));
    };
    const names = ['ln_1', 'ln_2', 'mlp.c_fc', 'mlp.c_proj'] as const;
    y = preNormBlock(block, y, { mix, activate: quickGelu, names, epsilon });
    onValue?.(name, y);
  }
  return y;
}

/** Cosine of each image with each text times the learnt scale exp(logit_scale): [images, texts]. */
export function clipLogits(weights: WeightView, imageFeatures: Tensor, textFeatures: Tensor): Tensor {
  return tf.tidy(() => {
    const [images, texts] = [unitRows(imageFeatures), unitRows(textFeatures)];
    const cosines = tf.matMul(images as Tensor2D, texts as Tensor2D, false, true);
    return tf.mul(cosines, tf.exp(weights.get('logit_scale')));
  });
}

/**
 * OpenAI's CLIP; loads OpenAI's and transformers' names (`CLIPModel`).
 *
 * @example await clip.load(clip.presets['vit-l-14'], (await openSafetensors('model.safetensors')).entries())
 */
export const clip: Architecture<ClipConfig, typeof clipImageFeatures, ClipPreset> = architecture({
  name: 'CLIP',
  presets: clipPresets,
  shapes: clipShapes,
  prefixes: ['clip.', 'model.'],
  officialName: clipReadName,
  official: openaiEntries,
  compare: (received, config) => ({ wanted: clipShapes(config), official: clipOfficialShapes(received, config) }),
  forward: clipImageFeatures,
});
