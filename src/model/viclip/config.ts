import type { ClipConfig } from '../clip/index.ts';

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
