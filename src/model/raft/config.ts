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

/** Keys of a `config.json`: a variant, and sizes that differ from it. */
export interface RaftConfigFile extends Partial<RaftConfig> {
  /** Begins with `raft_small` or `raft_large`. */
  readonly variant: string;
}

/**
 * A configuration from its variant and the sizes that differ from it.
 *
 * @throws Error for a variant that is neither large nor small.
 */
export function raftConfig({ variant, ...sizes }: RaftConfigFile): RaftConfig {
  for (const name of ['raft_small', 'raft_large'] as const) {
    if (variant.startsWith(name)) return { ...raftPresets[name], ...sizes };
  }
  throw new Error(`variant is "${variant}"; wanted raft_large or raft_small`);
}

/** Channels of the context that the recurrent unit sees in each step. */
export function contextChannels(config: RaftConfig): number {
  return config.context_encoder_layers.at(-1)! - config.recurrent_block_hidden_state_size;
}

/** Channels of one look at the correlations: a window of (2 r + 1)² on each level. */
export function correlationChannels(config: RaftConfig): number {
  return config.corr_block_num_levels * (2 * config.corr_block_radius + 1) ** 2;
}
