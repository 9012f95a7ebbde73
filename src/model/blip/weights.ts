/** Sizes of ImageReward, and the shapes of its weights by the names of its checkpoint. */
import type { Shapes } from '../../nn/index.ts';
import { affineShapes, type VitSizes, vitShapes } from '../layers/index.ts';

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

type Entry = [string, readonly number[]];

/** Shape of every weight that the score depends on, by its name in `ImageReward.pt`. */
export function imageRewardShapes(config: ImageRewardConfig): Shapes {
  const { vit, med_config } = config;
  const vision = [...vitShapes(vit, vit.image_size)].map(([name, shape]): Entry => {
    return [`blip.visual_encoder.${name}`, shape];
  });
  return new Map<string, readonly number[]>([...vision, ...textShapes(config), ...headShapes(med_config.hidden_size)]);
}

function textShapes({ vit, med_config }: ImageRewardConfig): Entry[] {
  const { hidden_size, vocab_size, max_position_embeddings, num_hidden_layers } = med_config;
  const text = 'blip.text_encoder';
  return [
    [`${text}.embeddings.word_embeddings.weight`, [vocab_size, hidden_size]],
    [`${text}.embeddings.position_embeddings.weight`, [max_position_embeddings, hidden_size]],
    ...affineShapes(`${text}.embeddings.LayerNorm`, hidden_size),
    ...Array.from({ length: num_hidden_layers }, (_, i) => {
      const layer = `${text}.encoder.layer.${i}`;
      return [
        ...attentionShapes(`${layer}.attention`, hidden_size, hidden_size),
        ...attentionShapes(`${layer}.crossattention`, hidden_size, vit.embed_dim),
        ...affineShapes(`${layer}.intermediate.dense`, med_config.intermediate_size, hidden_size),
        ...affineShapes(`${layer}.output.dense`, hidden_size, med_config.intermediate_size),
        ...affineShapes(`${layer}.output.LayerNorm`, hidden_size),
      ];
    }).flat(),
  ];
}

function attentionShapes(name: string, width: number, sourceWidth: number): Entry[] {
  return [
    ...affineShapes(`${name}.self.query`, width, width),
    ...affineShapes(`${name}.self.key`, width, sourceWidth),
    ...affineShapes(`${name}.self.value`, width, sourceWidth),
    ...affineShapes(`${name}.output.dense`, width, width),
    ...affineShapes(`${name}.output.LayerNorm`, width),
  ];
}

function headShapes(width: number): Entry[] {
  return headLayers.flatMap(({ name, out }, i) => affineShapes(name, out, headLayers[i - 1]?.out ?? width));
}

/** What the checkpoint holds beside: projections of BLIP's contrastive loss and a buffer of positions. */
const unused = /^blip\.(vision_proj|text_proj)\.|\.position_ids$/;

/** The name itself, or null for what the score does not read. */
export function imageRewardName(name: string): string | null {
  return unused.test(name) ? null : name;
}
