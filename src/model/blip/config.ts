import type { VitSizes } from '../vit/index.ts';

/** Sizes of BLIP's image tower. */
export interface BlipVitConfig extends VitSizes {
  /** Side of the square images that the position table fits. */
  readonly image_size: number;
}

/** Sizes of BLIP's text tower: the keys of `med_config.json` that shape the network. */
export interface MedConfig {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_attention_heads: number;
  readonly num_hidden_layers: number;
  readonly max_position_embeddings: number;
  readonly vocab_size: number;
  readonly layer_norm_eps: number;
}

/** ImageReward: BLIP's towers, the score head and the scale of its scores. */
export interface ImageRewardConfig {
  readonly vit: BlipVitConfig;
  /** The text tower; its published `encoder_width` is not used, the image tower's width is. */
  readonly med_config: MedConfig;
  /** Raw score that becomes 0. */
  readonly reward_mean: number;
  /** Raw deviation that becomes 1. */
  readonly reward_std: number;
}

/** Named configurations; `imagereward-v1.0` is THUDM's `ImageReward.pt` (BLIP large, 446.7 million parameters). */
export const imageRewardPresets: Readonly<Record<'imagereward-v1.0', ImageRewardConfig>> = {
  'imagereward-v1.0': {
    vit: { image_size: 224, patch_size: 16, embed_dim: 1024, depth: 24, num_heads: 16 },
    med_config: {
      hidden_size: 768,
      intermediate_size: 3072,
      num_attention_heads: 12,
      num_hidden_layers: 12,
      max_position_embeddings: 512,
      vocab_size: 30524,
      layer_norm_eps: 1e-12,
    },
    reward_mean: 0.16717362830052426,
    reward_std: 1.0333394966054072,
  },
};

/** Layers of the score head by their places in the checkpoint's sequence; dropout is in between. */
export const headLayers = [
  { name: 'mlp.layers.0', out: 1024 },
  { name: 'mlp.layers.2', out: 128 },
  { name: 'mlp.layers.4', out: 64 },
  { name: 'mlp.layers.6', out: 16 },
  { name: 'mlp.layers.7', out: 1 },
] as const;
