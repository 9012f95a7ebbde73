/** Names and shapes of AMT's weights as they are published. The published files may not be used commercially. */
import { type Architecture, architecture, type Shapes } from '../../nn/index.ts';
import { affineShapes } from '../layers/index.ts';
import { type AmtConfig, amtPresets } from './config.ts';
import { amtMidpoint } from './forward.ts';

type Entry = [string, readonly number[]];

/** Shape of every weight by its official name. */
export function amtShapes(config: AmtConfig): Shapes {
  const { channels, num_flows: flows } = config;
  const [first, second, third, fourth] = channels;
  return new Map<string, readonly number[]>([
    ...featureShapes(config),
    ...pyramidShapes(channels),
    ...decoderShapes('decoder4', 2 * fourth + 1, 2 * fourth, third + 4, config),
    ...decoderShapes('decoder3', 3 * third + 4, 3 * third, second + 4, config),
    ...decoderShapes('decoder2', 3 * second + 4, 3 * second, first + 4, config),
    ...decoderShapes('decoder1', 3 * first + 4, 3 * first, 8 * flows, config),
    ...updateShapes('update4', third, config),
    ...updateShapes('update3', second, config),
    ...updateShapes('update2', first, config),
    ...convShapes('comb_block.0', 6 * flows, 3 * flows, 3),
    ['comb_block.1.weight', [6 * flows]],
    ...convShapes('comb_block.2', 3, 6 * flows, 3),
  ]);
}

function convShapes(name: string, out: number, into: number, kernel: number): Entry[] {
  return affineShapes(name, out, into, kernel, kernel);
}

/** A convolution and the slopes of the PReLU after it. */
function activeShapes(name: string, out: number, into: number): Entry[] {
  return [...convShapes(`${name}.0`, out, into, 3), [`${name}.1.weight`, [out]]];
}

function featureShapes({ feat_channels, feat_dim }: AmtConfig): Entry[] {
  const [narrow, , wide] = feat_channels;
  return [
    ...convShapes('feat_encoder.conv1', narrow, 3, 7),
    ...feat_channels.flatMap((out, i) => {
      const into = feat_channels[i - 1] ?? narrow;
      return [0, 1].flatMap((k) => bottleneckShapes(`feat_encoder.layer${i + 1}.${k}`, out, k === 0 ? into : out));
    }),
    ...feat_channels.slice(1).flatMap((out, i) => {
      return convShapes(`feat_encoder.layer${i + 2}.0.downsample.0`, out, feat_channels[i]!, 1);
    }),
    ...convShapes('feat_encoder.conv2', feat_dim, wide, 1),
  ];
}

function bottleneckShapes(name: string, out: number, into: number): Entry[] {
  const narrow = Math.floor(out / 4);
  return [
    ...convShapes(`${name}.conv1`, narrow, into, 1),
    ...convShapes(`${name}.conv2`, narrow, narrow, 3),
    ...convShapes(`${name}.conv3`, out, narrow, 1),
  ];
}

function pyramidShapes(channels: AmtConfig['channels']): Entry[] {
  return channels.flatMap((out, i) => [
    ...activeShapes(`encoder.pyramid${i + 1}.0`, out, channels[i - 1] ?? 3),
    ...activeShapes(`encoder.pyramid${i + 1}.1`, out, out),
  ]);
}

function decoderShapes(name: string, into: number, width: number, out: number, { skip_channels }: AmtConfig): Entry[] {
  const block = `${name}.convblock.1`;
  return [
    ...activeShapes(`${name}.convblock.0`, width, into),
    ...activeShapes(`${block}.conv1`, width, width),
    ...activeShapes(`${block}.conv2`, skip_channels, skip_channels),
    ...activeShapes(`${block}.conv3`, width, width),
    ...activeShapes(`${block}.conv4`, skip_channels, skip_channels),
    ...convShapes(`${block}.conv5`, width, width, 3),
    [`${block}.prelu.weight`, [width]],
    [`${name}.convblock.2.weight`, [width, out, 4, 4]],
    [`${name}.convblock.2.bias`, [out]],
  ];
}

function updateShapes(name: string, features: number, config: AmtConfig): Entry[] {
  const { hidden_dim: hidden, flow_dim, corr_dim, fc_dim, corr_lvls, corr_radius } = config;
  const head = (part: string, out: number): Entry[] => [
    ...convShapes(`${name}.${part}.0`, hidden, hidden, 3),
    ...convShapes(`${name}.${part}.2`, out, hidden, 3),
  ];
  return [
    ...convShapes(`${name}.convc1`, corr_dim, 2 * corr_lvls * (2 * corr_radius + 1) ** 2, 1),
    ...convShapes(`${name}.convf1`, 2 * flow_dim, 4, 7),
    ...convShapes(`${name}.convf2`, flow_dim, 2 * flow_dim, 3),
    ...convShapes(`${name}.conv`, fc_dim, corr_dim + flow_dim, 3),
    ...convShapes(`${name}.gru.0`, hidden, fc_dim + 4 + features, 3),
    ...convShapes(`${name}.gru.2`, hidden, hidden, 3),
    ...head('feat_head', features),
    ...head('flow_head', 4),
  ];
}

/**
 * AMT's frame interpolation.
 *
 * @example await amt.load(amt.presets.amt_s, (await openCheckpoint('amt-s.pth')).entries())
 */
export const amt: Architecture<AmtConfig, typeof amtMidpoint, 'amt_s'> = architecture({
  name: 'AMT',
  presets: amtPresets,
  shapes: amtShapes,
  officialName: () => (name) => name.replace(/^module\./, ''),
  forward: amtMidpoint,
});
