/**
 * ViCLIP: CLIP for short videos, CLIP's towers, the visual one with a time axis. Source: Wang et al. 2023,
 * arXiv 2307.06942; InternVideo ViCLIP viclip_vision.py and viclip_text.py as VBench carries them.
 * Instead of a parity fixture, numbers of the original's own module on hashed weights stand in test/model/viclip.
 */
import { layerNorm } from '../../engine/ops/index.ts';
import { type Tensor, type Tensor2D, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Shapes, type WeightView } from '../../nn/index.ts';
import { sameShape } from '../../nn/internal.ts';
import { clipTextFeatures, resblocks } from '../clip/clip.ts';
import { type ClipConfig, clipShapes } from '../clip/weights.ts';
import { affine, classToken, patchTokens, withClassToken } from '../layers/layers.ts';

/** Sizes of ViCLIP, in the names of its constructor (InternVideo ViCLIP viclip.py) where it has one. */
export interface ViclipConfig {
  /** Width of the space that both towers project to. */
  readonly embed_dim: number;
  readonly inputs_image_res: number;
  readonly video_input_num_frames: number;
  readonly patch_size: number;
  readonly vision_width: number;
  readonly vision_layers: number;
  readonly vision_heads: number;
  /** Tokens of a text, the start and end tokens included. */
  readonly max_txt_l: number;
  readonly vocab_size: number;
  readonly text_width: number;
  readonly text_layers: number;
  readonly text_heads: number;
}

/** `l14` is the published ViCLIP-L (InternVid-10M-FLT), which VBench uses. */
export const viclipPresets: Readonly<Record<'l14', ViclipConfig>> = {
  l14: {
    embed_dim: 768,
    inputs_image_res: 224,
    video_input_num_frames: 8,
    patch_size: 14,
    vision_width: 1024,
    vision_layers: 24,
    vision_heads: 16,
    max_txt_l: 32,
    vocab_size: 49408,
    text_width: 768,
    text_layers: 12,
    text_heads: 12,
  },
};

/** CLIP's sizes of the two towers: the text tower is CLIP's, the image tower CLIP's with a time axis. */
export function towerConfig(config: ViclipConfig): ClipConfig {
  return {
    embed_dim: config.embed_dim,
    image_resolution: config.inputs_image_res,
    vision_layers: config.vision_layers,
    vision_width: config.vision_width,
    vision_heads: config.vision_heads,
    vision_patch_size: config.patch_size,
    context_length: config.max_txt_l,
    vocab_size: config.vocab_size,
    transformer_width: config.text_width,
    transformer_heads: config.text_heads,
    transformer_layers: config.text_layers,
  };
}

/** Shape of every weight by its official name. */
export function viclipShapes(config: ViclipConfig): Shapes {
  const { vision_width: width, patch_size: patch, video_input_num_frames: frames } = config;
  const shared = [...clipShapes(towerConfig(config))]
    .filter(([name]) => name !== 'logit_scale')
    .map(([name, shape]): [string, readonly number[]] => {
      const isVisual = name.startsWith('visual.');
      return [isVisual ? name.replace('visual.', 'vision_encoder.') : `text_encoder.${name}`, shape];
    });
  return new Map<string, readonly number[]>([
    ['temp', []],
    ['vision_encoder.temporal_positional_embedding', [1, frames, width]],
    ...shared,
    ['vision_encoder.conv1.weight', [width, 3, 1, patch, patch]],
  ]);
}

/** ViCLIP under the names of its published file. */
export const viclip: Architecture<ViclipConfig, typeof viclipVideoFeatures, 'l14'> = architecture({
  name: 'ViCLIP',
  presets: viclipPresets,
  shapes: viclipShapes,
  forward: viclipVideoFeatures,
});

const epsilon = 1e-5;

/**
 * Video features [B, embed_dim] of [B, F, S, S, 3], preprocessed as for CLIP: projected, not normalised; all patches of all
 * frames attend to each other.
 */
export function viclipVideoFeatures(net: Part<ViclipConfig>, videos: Tensor): Tensor {
  const { weights, config } = net;
  const { video_input_num_frames: frames, inputs_image_res: side } = config;
  const [batch, ...size] = videos.shape as [number, number, number, number, number];
  if (!sameShape(size, [frames, side, side, 3])) {
    throw new RangeError(`videos have shape [${videos.shape}]; wanted [B, ${frames}, ${side}, ${side}, 3]`);
  }
  return tf.tidy(() => {
    const tower = weights.at('vision_encoder');
    const tokens = videoTokens(tower, tf.reshape(videos, [batch * frames, side, side, 3]), batch);
    const start = layerNorm(tokens, ...affine(tower, 'ln_pre'), epsilon);
    const x = resblocks(tower, { layers: config.vision_layers, heads: config.vision_heads, mask: null }, start);
    const pooled = layerNorm(classToken(x), ...affine(tower, 'ln_post'), epsilon);
    return tf.matMul(pooled as Tensor2D, tower.get('proj') as Tensor2D);
  });
}

/** One class token and the patches of all frames with places in space and time: [B F, S, S, 3] -> [B, 1 + F L, D]. */
function videoTokens(tower: WeightView, images: Tensor, batch: number): Tensor {
  const kernel = tf.squeeze(tower.get('conv1.weight'), [2]); // [D, 3, 1, p, p] -> [D, 3, p, p]
  const patches = patchTokens(images, kernel, null); // [B F, L, D]
  const [all, length, width] = patches.shape as [number, number, number];
  const places = tower.get('positional_embedding'); // [1 + L, D]
  const placed = tf.add(patches, tf.slice(places, [1, 0], [length, width]));
  const times = tf.expandDims(tower.get('temporal_positional_embedding'), 2); // [1, F, 1, D]
  const timed = tf.add(tf.reshape(placed, [batch, all / batch, length, width]), times);
  const start = tf.add(tower.get('class_embedding'), tf.slice(places, [0, 0], [1, width]));
  return withClassToken(start, tf.reshape(timed, [batch, -1, width])); // [B, F, L, D] -> [B, F L, D]
}

/** Text features [B, embed_dim] of ids int32 [B, max_txt_l], filled up with 0: projected, not normalised. */
export function viclipTextFeatures(net: Part<ViclipConfig>, ids: Tensor): Tensor {
  const { weights, config } = net;
  return clipTextFeatures({ weights: weights.at('text_encoder'), config: towerConfig(config) }, ids);
}
