/** Names and shapes of ImageReward's weights, and loading from its checkpoint. */
import { type Architecture, architecture, type Shapes } from '../../nn/index.ts';
import { affineShapes } from '../layers/index.ts';
import { vitShapes } from '../vit/index.ts';
import { headLayers, type ImageRewardConfig, imageRewardPresets } from './config.ts';
import { imageRewardForward } from './forward.ts';

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

/**
 * ImageReward; the weights of its file that the score does not use are left out.
 *
 * @example await imageReward.load(imageReward.presets['imagereward-v1.0'], (await openPth('ImageReward.pt')).entries())
 */
export const imageReward: Architecture<ImageRewardConfig, typeof imageRewardForward, 'imagereward-v1.0'> = architecture(
  {
    name: 'ImageReward',
    presets: imageRewardPresets,
    shapes: imageRewardShapes,
    officialName: () => imageRewardName,
    forward: imageRewardForward,
  },
);
