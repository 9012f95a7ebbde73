import { type RaftConfig, raftPresets } from '../../../src/model/internal.ts';

/** RAFT small with a handful of channels. */
export const tinyRaft: RaftConfig = {
  ...raftPresets.raft_small,
  feature_encoder_layers: [4, 4, 4, 4, 8],
  context_encoder_layers: [4, 4, 4, 4, 10],
  recurrent_block_hidden_state_size: 6,
  motion_encoder_corr_layers: [4],
  motion_encoder_flow_layers: [4, 4],
  motion_encoder_out_channels: 6,
  flow_head_hidden_size: 4,
  corr_block_num_levels: 2,
  corr_block_radius: 1,
};
