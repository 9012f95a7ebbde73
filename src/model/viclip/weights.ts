/** Names and shapes of ViCLIP's weights as they are published: CLIP's towers, the visual one with a time axis. */
import { type Architecture, architecture, type Shapes } from '../../nn/index.ts';
import { clipShapes } from '../clip/index.ts';
import { towerConfig, type ViclipConfig, viclipPresets } from './config.ts';
import { viclipVideoFeatures } from './forward.ts';

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
 * ViCLIP under the names of its published file.
 *
 * @example await viclip.load(viclip.presets.l14, (await openCheckpoint('ViClip-InternVid-10M-FLT.pth')).entries())
 */
export const viclip: Architecture<ViclipConfig, typeof viclipVideoFeatures, 'l14'> = architecture({
  name: 'ViCLIP',
  presets: viclipPresets,
  shapes: viclipShapes,
  forward: viclipVideoFeatures,
});
