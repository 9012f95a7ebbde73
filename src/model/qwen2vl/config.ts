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
  /**
   * Rows of the reward head: 1, or one for each special token; 0 for the language model without one.
   *
   * @defaultValue 1
   */
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
