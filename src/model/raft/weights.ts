/** Sizes of RAFT, shapes of its weights by torchvision's names, and the original's names for them. */
import type { Shapes } from '../../nn/index.ts';
import { alike, biased, type ShapeTree, shapesIn } from '../layers/layers.ts';

/** Sizes of RAFT, in the names of torchvision's builder (torchvision/models/optical_flow/raft.py, `_raft`). */
export interface RaftConfig {
  /** Channels of the feature encoder: first convolution, three stages, output. */
  readonly feature_encoder_layers: readonly number[];
  /** Channels of the context encoder; its output holds the hidden state and the context. */
  readonly context_encoder_layers: readonly number[];
  /** Kind of residual block in both encoders. */
  readonly encoder_block: 'residual' | 'bottleneck';
  /** Norm of the context encoder; the feature encoder has instance norm. */
  readonly context_encoder_norm: 'batch' | 'none';
  readonly corr_block_num_levels: number;
  readonly corr_block_radius: number;
  readonly motion_encoder_corr_layers: readonly number[];
  readonly motion_encoder_flow_layers: readonly number[];
  readonly motion_encoder_out_channels: number;
  readonly recurrent_block_hidden_state_size: number;
  /** Kernels [height, width] of the recurrent units that run one after the other. */
  readonly recurrent_block_kernel_size: readonly (readonly [number, number])[];
  readonly flow_head_hidden_size: number;
  /** Hidden width of the mask that upsampling is learnt with; null upsamples bilinearly. */
  readonly mask_hidden: number | null;
}

/** `raft_large` is the original's basic model (5.3 million parameters), `raft_small` has 1.0 million. */
export const raftPresets: Readonly<Record<'raft_large' | 'raft_small', RaftConfig>> = {
  raft_large: {
    feature_encoder_layers: [64, 64, 96, 128, 256],
    context_encoder_layers: [64, 64, 96, 128, 256],
    encoder_block: 'residual',
    context_encoder_norm: 'batch',
    corr_block_num_levels: 4,
    corr_block_radius: 4,
    motion_encoder_corr_layers: [256, 192],
    motion_encoder_flow_layers: [128, 64],
    motion_encoder_out_channels: 128,
    recurrent_block_hidden_state_size: 128,
    recurrent_block_kernel_size: [
      [1, 5],
      [5, 1],
    ],
    flow_head_hidden_size: 256,
    mask_hidden: 256,
  },
  raft_small: {
    feature_encoder_layers: [32, 32, 64, 96, 128],
    context_encoder_layers: [32, 32, 64, 96, 160],
    encoder_block: 'bottleneck',
    context_encoder_norm: 'none',
    corr_block_num_levels: 4,
    corr_block_radius: 3,
    motion_encoder_corr_layers: [96],
    motion_encoder_flow_layers: [64, 32],
    motion_encoder_out_channels: 82,
    recurrent_block_hidden_state_size: 96,
    recurrent_block_kernel_size: [[3, 3]],
    flow_head_hidden_size: 128,
    mask_hidden: null,
  },
};

/** Shape of every weight, running statistics included, by its torchvision name. */
export function raftShapes(config: RaftConfig): Shapes {
  const { encoder_block: block, flow_head_hidden_size: wide, recurrent_block_hidden_state_size: hidden } = config;
  const { mask_hidden: mask } = config;
  return shapesIn({
    feature_encoder: encoder(config.feature_encoder_layers, block, false),
    context_encoder: encoder(config.context_encoder_layers, block, config.context_encoder_norm === 'batch'),
    update_block: {
      motion_encoder: motionEncoder(config),
      recurrent_block: recurrentBlock(config),
      flow_head: { conv1: biased(wide, hidden, 3, 3), conv2: biased(2, wide, 3, 3) },
    },
    ...(mask !== null && {
      mask_predictor: { convrelu: { 0: biased(mask, hidden, 3, 3) }, conv: biased(8 * 8 * 9, mask, 1, 1) },
    }),
  });
}

function encoder(channels: readonly number[], block: RaftConfig['encoder_block'], batchNorm: boolean): ShapeTree {
  const [first = 0, ...stages] = channels.slice(0, -1);
  const layer = (out: number, into: number, kernel: number): ShapeTree => ({
    0: biased(out, into, kernel, kernel),
    ...(batchNorm && { 1: { weight: [out], bias: [out], running_mean: [out], running_var: [out] } }),
  });
  const layers = (out: number, into: number): ShapeTree => {
    if (block === 'residual') return { convnormrelu1: layer(out, into, 3), convnormrelu2: layer(out, out, 3) };
    const narrow = { convnormrelu1: layer(out / 4, into, 1), convnormrelu2: layer(out / 4, out / 4, 3) };
    return { ...narrow, convnormrelu3: layer(out, out / 4, 1) };
  };
  const stage = (out: number, i: number): [string, ShapeTree] => {
    const into = stages[i - 1] ?? first;
    const downsample = i > 0 && { downsample: layer(out, into, 1) };
    return [`layer${i + 1}`, { 0: { ...layers(out, into), ...downsample }, 1: layers(out, out) }];
  };
  return {
    convnormrelu: layer(first, 3, 7),
    ...Object.fromEntries(stages.map(stage)),
    conv: biased(channels.at(-1)!, stages.at(-1)!, 1, 1),
  };
}

function motionEncoder(config: RaftConfig): ShapeTree {
  const { motion_encoder_corr_layers: corr, motion_encoder_flow_layers: flow } = config;
  const [wide = 0, narrow] = corr;
  const [first = 0, second = 0] = flow;
  const looked = config.corr_block_num_levels * (2 * config.corr_block_radius + 1) ** 2; // a window on each level
  return {
    convcorr1: { 0: biased(wide, looked, 1, 1) },
    ...(narrow !== undefined && { convcorr2: { 0: biased(narrow, wide, 3, 3) } }),
    convflow1: { 0: biased(first, 2, 7, 7) },
    convflow2: { 0: biased(second, first, 3, 3) },
    conv: { 0: biased(config.motion_encoder_out_channels - 2, corr.at(-1)! + second, 3, 3) },
  };
}

/** Each unit sees its state, the context (what the context encoder has beside the state), and the motion. */
function recurrentBlock(config: RaftConfig): ShapeTree {
  const { recurrent_block_hidden_state_size: hidden, recurrent_block_kernel_size: kernels } = config;
  const into = config.context_encoder_layers.at(-1)! + config.motion_encoder_out_channels;
  const gates = ['convz', 'convr', 'convq'];
  return Object.fromEntries(
    kernels.map((kernel, i) => [`convgru${i + 1}`, alike(gates, biased(hidden, into, ...kernel))]),
  );
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

/** torchvision's name of a weight in torchvision's or the original's checkpoints; null for what no network reads. */
export function raftNames(config: RaftConfig): (name: string) => string | null {
  // counters of batches, and in the original each shortcut's norm a second time as the block's last norm
  const last = config.encoder_block === 'residual' ? 3 : 4;
  const surplus = new RegExp(`\\.num_batches_tracked$|\\.layer\\d\\.0\\.norm${last}\\.`);
  return (name) =>
    surplus.test(name) ? null : moduleNames.reduce((result, [from, to]) => result.replace(from, to), name);
}
