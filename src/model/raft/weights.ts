/** Shapes of RAFT's weights by torchvision's names, and the original's names for them. */
import type { Shapes } from '../../nn/index.ts';
import { affineShapes } from '../layers/index.ts';
import { contextChannels, correlationChannels, type RaftConfig } from './config.ts';

type Entry = [string, readonly number[]];

/** Shape of every weight, running statistics included, by its torchvision name. */
export function raftShapes(config: RaftConfig): Shapes {
  const { encoder_block, context_encoder_norm, feature_encoder_layers, context_encoder_layers } = config;
  return new Map([
    ...encoderShapes('feature_encoder', { channels: feature_encoder_layers, block: encoder_block, batchNorm: false }),
    ...encoderShapes('context_encoder', {
      channels: context_encoder_layers,
      block: encoder_block,
      batchNorm: context_encoder_norm === 'batch',
    }),
    ...motionShapes(config),
    ...recurrentShapes(config),
    ...headShapes(config),
  ]);
}

interface EncoderPlan {
  readonly channels: readonly number[];
  readonly block: RaftConfig['encoder_block'];
  readonly batchNorm: boolean;
}

function encoderShapes(encoder: string, { channels, block, batchNorm }: EncoderPlan): Entry[] {
  const [first = 0, ...stages] = channels.slice(0, -1);
  const layer = (name: string, out: number, into: number, kernel: number): Entry[] => [
    ...affineShapes(`${name}.0`, out, into, kernel, kernel),
    ...(batchNorm ? batchNormShapes(`${name}.1`, out) : []),
  ];
  const blockLayers = (name: string, out: number, into: number, strided: boolean): Entry[] => [
    ...residualShapes(block, out, into).flatMap(([o, i, kernel], k) =>
      layer(`${name}.convnormrelu${k + 1}`, o, i, kernel),
    ),
    ...(strided ? layer(`${name}.downsample`, out, into, 1) : []),
  ];
  return [
    ...layer(`${encoder}.convnormrelu`, first, 3, 7),
    ...stages.flatMap((out, i) => [
      ...blockLayers(`${encoder}.layer${i + 1}.0`, out, stages[i - 1] ?? first, i > 0),
      ...blockLayers(`${encoder}.layer${i + 1}.1`, out, out, false),
    ]),
    ...affineShapes(`${encoder}.conv`, channels.at(-1)!, stages.at(-1)!, 1, 1),
  ];
}

/** Output channels, input channels and kernel of each convolution of a block. */
function residualShapes(block: RaftConfig['encoder_block'], out: number, into: number): [number, number, number][] {
  if (block === 'residual') {
    return [
      [out, into, 3],
      [out, out, 3],
    ];
  }
  return [
    [out / 4, into, 1],
    [out / 4, out / 4, 3],
    [out, out / 4, 1],
  ];
}

function batchNormShapes(name: string, channels: number): Entry[] {
  return ['weight', 'bias', 'running_mean', 'running_var'].map((part) => [`${name}.${part}`, [channels]]);
}

function motionShapes(config: RaftConfig): Entry[] {
  const { motion_encoder_corr_layers: corr, motion_encoder_flow_layers: flow } = config;
  const motion = 'update_block.motion_encoder';
  const [wide = 0, narrow] = corr;
  const [first = 0, second = 0] = flow;
  return [
    ...affineShapes(`${motion}.convcorr1.0`, wide, correlationChannels(config), 1, 1),
    ...(narrow === undefined ? [] : affineShapes(`${motion}.convcorr2.0`, narrow, wide, 3, 3)),
    ...affineShapes(`${motion}.convflow1.0`, first, 2, 7, 7),
    ...affineShapes(`${motion}.convflow2.0`, second, first, 3, 3),
    ...affineShapes(`${motion}.conv.0`, config.motion_encoder_out_channels - 2, corr.at(-1)! + second, 3, 3),
  ];
}

function recurrentShapes(config: RaftConfig): Entry[] {
  const { recurrent_block_hidden_state_size: hidden, recurrent_block_kernel_size: kernels } = config;
  const into = hidden + contextChannels(config) + config.motion_encoder_out_channels;
  return kernels.flatMap(([height, width], i) =>
    ['convz', 'convr', 'convq'].flatMap((gate) =>
      affineShapes(`update_block.recurrent_block.convgru${i + 1}.${gate}`, hidden, into, height, width),
    ),
  );
}

function headShapes(config: RaftConfig): Entry[] {
  const { recurrent_block_hidden_state_size: hidden, flow_head_hidden_size: wide, mask_hidden } = config;
  const mask =
    mask_hidden === null
      ? []
      : [
          ...affineShapes('mask_predictor.convrelu.0', mask_hidden, hidden, 3, 3),
          ...affineShapes('mask_predictor.conv', 8 * 8 * 9, mask_hidden, 1, 1),
        ];
  return [
    ...affineShapes('update_block.flow_head.conv1', wide, hidden, 3, 3),
    ...affineShapes('update_block.flow_head.conv2', 2, wide, 3, 3),
    ...mask,
  ];
}

const moduleNames: readonly (readonly [RegExp, string])[] = [
  [/^fnet\./, 'feature_encoder.'],
  [/^cnet\./, 'context_encoder.'],
  [/^(\w+_encoder)\.conv1\./, '$1.convnormrelu.0.'],
  [/^(\w+_encoder)\.norm1\./, '$1.convnormrelu.1.'],
  [/^(\w+_encoder)\.conv2\./, '$1.conv.'],
  [/\.(layer\d\.\d)\.conv(\d)\./, '.$1.convnormrelu$2.0.'],
  [/\.(layer\d\.\d)\.norm(\d)\./, '.$1.convnormrelu$2.1.'],
  [/^update_block\.encoder\.conv([cf])(\d)\./, 'update_block.motion_encoder.conv$1$2.0.'],
  [/\.convc(\d)\./, '.convcorr$1.'],
  [/\.convf(\d)\./, '.convflow$1.'],
  [/^update_block\.encoder\.conv\./, 'update_block.motion_encoder.conv.0.'],
  [/^update_block\.gru\.conv([zrq])(\d?)\./, 'update_block.recurrent_block.convgru$2.conv$1.'],
  [/\.convgru\.conv/, '.convgru1.conv'],
  [/^update_block\.mask\.0\./, 'mask_predictor.convrelu.0.'],
  [/^update_block\.mask\.2\./, 'mask_predictor.conv.'],
];

/** torchvision's name of a weight that the original (princeton-vl/RAFT) calls `name`; others come back as they are. */
function raftTorchvisionName(name: string): string {
  return moduleNames.reduce((result, [from, to]) => result.replace(from, to), name);
}

/** Counters of batches, and in the original each shortcut's norm a second time as the block's last norm. */
function isSurplus(name: string, config: RaftConfig): boolean {
  const last = config.encoder_block === 'residual' ? 3 : 4;
  return /\.num_batches_tracked$/.test(name) || new RegExp(`\\.layer\\d\\.0\\.norm${last}\\.`).test(name);
}

/** torchvision's name of a weight in torchvision's or the original's checkpoints; null for what no network reads. */
export function raftNames(config: RaftConfig): (name: string) => string | null {
  return (name) => (isSurplus(name, config) ? null : raftTorchvisionName(name));
}
