/** Names and shapes of ViCLIP's weights as they are published: CLIP's towers, the visual one with a time axis. */
import { type CheckpointEntries, loadChecked, type Shapes, type Weights, type WeightsOptions } from '../../nn/index.ts';
import { clipShapes } from '../clip/index.ts';
import { towerConfig, type ViclipConfig } from './config.ts';

/** Shape of every weight by its official name. */
export function viclipShapes(config: ViclipConfig): Shapes {
  const { vision_width: width, patch_size: patch, video_input_num_frames: frames } = config;
  const own: [string, number[]][] = [
    ['temp', []],
    ['vision_encoder.temporal_positional_embedding', [1, frames, width]],
  ];
  const shared = [...clipShapes(towerConfig(config))]
    .filter(([name]) => name !== 'logit_scale')
    .map(([name, shape]): [string, readonly number[]] => {
      if (name === 'visual.conv1.weight') return ['vision_encoder.conv1.weight', [width, 3, 1, patch, patch]];
      return name.startsWith('visual.')
        ? [name.replace('visual.', 'vision_encoder.'), shape]
        : [`text_encoder.${name}`, shape];
    });
  return new Map<string, readonly number[]>([...own, ...shared]);
}

/**
 * Weights of ViCLIP from the tensors of the published file (`ViClip-InternVid-10M-FLT.pth`, under `model`).
 *
 * @throws Error listing the missing, surplus and misshapen weights by their official names.
 * @example await loadViclip(viclipPresets.l14, (await openCheckpoint('ViClip-InternVid-10M-FLT.pth')).entries())
 */
export function loadViclip(
  config: ViclipConfig,
  entries: CheckpointEntries,
  options?: WeightsOptions,
): Promise<Weights> {
  return loadChecked(viclipShapes(config), entries, (name) => name, options);
}
