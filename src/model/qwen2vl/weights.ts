/** Sizes of Qwen2-VL with a reward head, and the shapes of its weights by their published names. */
import type { Shapes } from '../../nn/index.ts';
import { alike, biased, type ShapeTree, shapesIn } from '../layers/layers.ts';

/** Sizes of Qwen2-VL's vision tower, by the keys of `vision_config`. */
export interface Qwen2VlVisionConfig {
  readonly depth: number;
  /** Width of the tower's tokens. */
  readonly embed_dim: number;
  /** Width of the language model, which the merged tokens have. */
  readonly hidden_size: number;
  /** Hidden width of the feed-forward parts over `embed_dim`. */
  readonly mlp_ratio: number;
  readonly num_heads: number;
  readonly in_channels: number;
  /** Side of a patch in pixels. */
  readonly patch_size: number;
  /** Patches on each side of a square that becomes one token of the language model. */
  readonly spatial_merge_size: number;
  /** Frames in a patch. */
  readonly temporal_patch_size: number;
}

/** Qwen2-VL, by the keys of the published flat `config.json` that shape the network. */
export interface Qwen2VlConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  /** Heads of keys and values; each serves num_attention_heads / num_key_value_heads heads of queries. */
  readonly num_key_value_heads: number;
  readonly rms_norm_eps: number;
  readonly rope_theta: number;
  /** How many of the head's angle channels turn with the time, row and column of a position. */
  readonly rope_scaling: { readonly mrope_section: readonly number[] };
  /** Id of the tokens that are replaced by what the vision tower saw. */
  readonly video_token_id: number;
  readonly vision_config: Qwen2VlVisionConfig;
  /** Rows of the reward head: 1, or one for each special token; 0 for none. @defaultValue 1 */
  readonly outputs?: number;
}

/** Names of the presets. */
export type Qwen2VlPreset = 'qwen2-vl-2b' | 'videoalign';

/**
 * Named configurations. `videoalign` is Qwen2-VL-2B with the token table that VideoAlign enlarged for its three
 * special tokens.
 */
export const qwen2VlPresets: Readonly<Record<Qwen2VlPreset, Qwen2VlConfig>> = {
  'qwen2-vl-2b': qwen2Vl2b(151936),
  videoalign: qwen2Vl2b(151660),
};

function qwen2Vl2b(vocab_size: number): Qwen2VlConfig {
  return {
    vocab_size,
    hidden_size: 1536,
    intermediate_size: 8960,
    num_hidden_layers: 28,
    num_attention_heads: 12,
    num_key_value_heads: 2,
    rms_norm_eps: 1e-6,
    rope_theta: 1e6,
    rope_scaling: { mrope_section: [16, 24, 24] },
    video_token_id: 151656,
    vision_config: {
      depth: 32,
      embed_dim: 1280,
      hidden_size: 1536,
      mlp_ratio: 4,
      num_heads: 16,
      in_channels: 3,
      patch_size: 14,
      spatial_merge_size: 2,
      temporal_patch_size: 2,
    },
  };
}

/** Shape of every weight by its name in the published checkpoints, `rm_head.weight` besides. */
export function qwen2VlRewardShapes(config: Qwen2VlConfig): Shapes {
  const { hidden_size: width, intermediate_size: wide, num_attention_heads, num_key_value_heads, outputs = 1 } = config;
  const narrow = (width / num_attention_heads) * num_key_value_heads;
  const layer = {
    input_layernorm: { weight: [width] },
    post_attention_layernorm: { weight: [width] },
    self_attn: {
      q_proj: biased(width, width),
      ...alike(['k_proj', 'v_proj'], biased(narrow, width)),
      o_proj: { weight: [width, width] },
    },
    mlp: { ...alike(['gate_proj', 'up_proj'], { weight: [wide, width] }), down_proj: { weight: [width, wide] } },
  };
  return shapesIn({
    visual: visionTree(config.vision_config),
    model: {
      embed_tokens: { weight: [config.vocab_size, width] },
      layers: alike(config.num_hidden_layers, layer),
      norm: { weight: [width] },
    },
    ...(outputs > 0 && { rm_head: { weight: [outputs, width] } }),
  });
}

function visionTree(config: Qwen2VlVisionConfig): ShapeTree {
  const { embed_dim: width, temporal_patch_size, patch_size, hidden_size } = config;
  const wide = Math.trunc(width * config.mlp_ratio);
  const square = width * config.spatial_merge_size ** 2;
  return {
    patch_embed: { proj: { weight: [width, config.in_channels, temporal_patch_size, patch_size, patch_size] } },
    blocks: alike(config.depth, {
      ...alike(['norm1', 'norm2'], biased(width)),
      attn: { qkv: biased(3 * width, width), proj: biased(width, width) },
      mlp: { fc1: biased(wide, width), fc2: biased(width, wide) },
    }),
    merger: { ln_q: biased(width), mlp: { 0: biased(square, square), 2: biased(hidden_size, square) } },
  };
}
