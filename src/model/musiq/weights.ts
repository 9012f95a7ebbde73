/** Names and shapes of MUSIQ's weights as IQA-PyTorch publishes them. */
import { type Architecture, architecture, type Shapes } from '../../nn/index.ts';
import { affineShapes } from '../layers/index.ts';
import { headName, type MusiqConfig, type MusiqPreset, musiqPresets, stemChannels } from './config.ts';
import { musiqScore } from './forward.ts';

type Entry = [string, readonly number[]];

/** Shape of every weight by its official name. */
export function musiqShapes(config: MusiqConfig): Shapes {
  const { hidden_size: width, patch_size, num_class, num_layers, spatial_pos_grid_size } = config;
  const encoder = 'transformer_encoder';
  return new Map<string, readonly number[]>([
    ...stemShapes(),
    ...affineShapes('embedding', width, stemChannels.wide * Math.floor(patch_size / 4) ** 2),
    [`${encoder}.posembed_input.position_emb`, [1, spatial_pos_grid_size ** 2, width]],
    [`${encoder}.scaleembed_input.scale_emb`, [config.longer_side_lengths.length + 1, width]],
    [`${encoder}.cls`, [1, 1, width]],
    ...affineShapes(`${encoder}.encoder_norm`, width),
    ...Array.from({ length: num_layers }, (_, i) => `${encoder}.transformer.encoderblock_${i}`).flatMap((block) =>
      blockShapes(block, width, config.mlp_dim),
    ),
    ...affineShapes(headName(config), num_class, width),
  ]);
}

function stemShapes(): Entry[] {
  const { narrow, wide } = stemChannels;
  return [
    ['conv_root.weight', [narrow, 3, 7, 7]],
    ...affineShapes('gn_root', narrow),
    ['block1.conv1.weight', [narrow, narrow, 1, 1]],
    ...affineShapes('block1.gn1', narrow),
    ['block1.conv2.weight', [narrow, narrow, 3, 3]],
    ...affineShapes('block1.gn2', narrow),
    ['block1.conv3.weight', [wide, narrow, 1, 1]],
    ...affineShapes('block1.gn3', wide),
    ['block1.conv_proj.weight', [wide, narrow, 1, 1]],
    ...affineShapes('block1.gn_proj', wide),
  ];
}

function blockShapes(block: string, width: number, hidden: number): Entry[] {
  return [
    ...affineShapes(`${block}.norm1`, width),
    ...['query', 'key', 'value', 'out'].flatMap((name) => affineShapes(`${block}.attention.${name}`, width, width)),
    ...affineShapes(`${block}.norm2`, width),
    ...affineShapes(`${block}.mlp.fc1`, hidden, width),
    ...affineShapes(`${block}.mlp.fc2`, width, hidden),
  ];
}

/**
 * MUSIQ under IQA-PyTorch's names.
 *
 * @example await musiq.load(musiq.presets.spaq, (await openCheckpoint('musiq_spaq_ckpt-358bb6af.pth')).entries())
 */
export const musiq: Architecture<MusiqConfig, typeof musiqScore, MusiqPreset> = architecture({
  name: 'MUSIQ',
  presets: musiqPresets,
  shapes: musiqShapes,
  officialName: () => (name) => name.replace(/^(params|module)\./, ''),
  forward: musiqScore,
});
