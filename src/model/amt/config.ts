/** Sizes of AMT, in the names of its constructor (MCG-NKU/AMT networks/AMT-S.py, `Model`) where it has one. */
export interface AmtConfig {
  readonly corr_radius: number;
  readonly corr_lvls: number;
  /** Pairs of flows that the picture between is mixed from. */
  readonly num_flows: number;
  /** Channels of the four levels of the pyramid, the finest first. */
  readonly channels: readonly [number, number, number, number];
  /** Channels that each decoder refines beside the others. */
  readonly skip_channels: number;
  /** Channels of the three stages of the correlation encoder. */
  readonly feat_channels: readonly [number, number, number];
  /** Channels that correlations are taken of. */
  readonly feat_dim: number;
  /** Widths of the update blocks. */
  readonly hidden_dim: number;
  readonly flow_dim: number;
  readonly corr_dim: number;
  readonly fc_dim: number;
}

/** `amt_s`: 3.0 million parameters, the network of VBench's motion smoothness. */
export const amtPresets: Readonly<Record<'amt_s', AmtConfig>> = {
  amt_s: {
    corr_radius: 3,
    corr_lvls: 4,
    num_flows: 3,
    channels: [20, 32, 44, 56],
    skip_channels: 20,
    feat_channels: [32, 64, 96],
    feat_dim: 84,
    hidden_dim: 76,
    flow_dim: 20,
    corr_dim: 64,
    fc_dim: 68,
  },
};
