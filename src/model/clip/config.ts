/** Sizes of CLIP, in the names of OpenAI's constructor (clip/model.py, `CLIP`). */
export interface ClipConfig {
  /** Width of the space that both towers project to. */
  readonly embed_dim: number;
  readonly image_resolution: number;
  readonly vision_layers: number;
  readonly vision_width: number;
  readonly vision_patch_size: number;
  /** Heads of the image tower. @defaultValue vision_width / 64, as in the original, which has no such key */
  readonly vision_heads?: number;
  /** Tokens of a text, the start and end tokens included. */
  readonly context_length: number;
  readonly vocab_size: number;
  readonly transformer_width: number;
  readonly transformer_heads: number;
  readonly transformer_layers: number;
  /**
   * What is held: `vision` alone is enough for image features and aesthetic scores.
   *
   * @defaultValue 'both'
   */
  readonly towers?: 'both' | 'vision';
}

const text = { context_length: 77, vocab_size: 49408, transformer_layers: 12 };
const base = { ...text, embed_dim: 512, image_resolution: 224, transformer_width: 512, transformer_heads: 8 };
const baseVision = { vision_layers: 12, vision_width: 768 };

/** Names of the presets. */
export type ClipPreset = 'vit-b-32' | 'vit-b-16' | 'vit-l-14';

/** Named configurations of OpenAI's published models. */
export const clipPresets: Readonly<Record<ClipPreset, ClipConfig>> = {
  'vit-b-32': { ...base, ...baseVision, vision_patch_size: 32 },
  'vit-b-16': { ...base, ...baseVision, vision_patch_size: 16 },
  'vit-l-14': {
    ...text,
    embed_dim: 768,
    image_resolution: 224,
    vision_layers: 24,
    vision_width: 1024,
    vision_patch_size: 14,
    transformer_width: 768,
    transformer_heads: 12,
  },
};

/** The part of a transformers `config.json` (`CLIPModel`) that sets sizes. */
export interface HfClipConfig {
  readonly projection_dim: number;
  readonly vision_config: {
    readonly hidden_size: number;
    readonly num_hidden_layers: number;
    readonly num_attention_heads: number;
    readonly image_size: number;
    readonly patch_size: number;
    readonly hidden_act: string;
  };
  readonly text_config: {
    readonly vocab_size: number;
    readonly hidden_size: number;
    readonly num_hidden_layers: number;
    readonly num_attention_heads: number;
    readonly max_position_embeddings: number;
  };
}

/**
 * Sizes from the `config.json` of a transformers checkpoint.
 *
 * @throws Error for an activation other than OpenAI's `quick_gelu`.
 */
export function clipConfigOf({ projection_dim, vision_config, text_config }: HfClipConfig): ClipConfig {
  if (vision_config.hidden_act !== 'quick_gelu') {
    throw new Error(`hidden_act is ${vision_config.hidden_act}; wanted quick_gelu, as in OpenAI's CLIP`);
  }
  return {
    embed_dim: projection_dim,
    image_resolution: vision_config.image_size,
    vision_layers: vision_config.num_hidden_layers,
    vision_width: vision_config.hidden_size,
    vision_patch_size: vision_config.patch_size,
    vision_heads: vision_config.num_attention_heads,
    context_length: text_config.max_position_embeddings,
    vocab_size: text_config.vocab_size,
    transformer_width: text_config.hidden_size,
    transformer_heads: text_config.num_attention_heads,
    transformer_layers: text_config.num_hidden_layers,
  };
}
