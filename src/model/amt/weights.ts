/** Sizes of AMT, and the shapes of its weights by their names. The published files may not be used commercially. */
import type { Shapes } from '../../nn/index.ts';
import { biased, type ShapeTree, shapesIn } from '../layers/layers.ts';

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
    skip_channels: 20,
    feat_dim: 84,
    hidden_dim: 76,
    flow_dim: 20,
    corr_dim: 64,
    fc_dim: 68,
    channels: [20, 32, 44, 56],
    feat_channels: [32, 64, 96],
  },
};

/** Shape of every weight by its official name. */
export function amtShapes(config: AmtConfig): Shapes {
  const { channels, num_flows: flows } = config;
  const [first, second, third, fourth] = channels;
  return shapesIn({
    feat_encoder: features(config),
    encoder: Object.fromEntries(
      channels.map((out, i) => [
        `pyramid${i + 1}`,
        { 0: activeConv(out, channels[i - 1] ?? 3), 1: activeConv(out, out) },
      ]),
    ),
    decoder4: decoder(2 * fourth + 1, 2 * fourth, third + 4, config),
    decoder3: decoder(3 * third + 4, 3 * third, second + 4, config),
    decoder2: decoder(3 * second + 4, 3 * second, first + 4, config),
    decoder1: decoder(3 * first + 4, 3 * first, 8 * flows, config),
    update4: update(third, config),
    update3: update(second, config),
    update2: update(first, config),
    comb_block: { ...activeConv(6 * flows, 3 * flows), 2: conv(3, 6 * flows) },
  });
}

function conv(out: number, into: number, kernel: number = 3): ShapeTree {
  return biased(out, into, kernel, kernel);
}

/** A convolution and the slopes of the PReLU after it. */
function activeConv(out: number, into: number): ShapeTree {
  return { 0: conv(out, into), 1: { weight: [out] } };
}

function features({ feat_channels, feat_dim }: AmtConfig): ShapeTree {
  const [narrow, , wide] = feat_channels;
  const bottleneck = (out: number, into: number): ShapeTree => {
    const middle = Math.floor(out / 4);
    return { conv1: conv(middle, into, 1), conv2: conv(middle, middle), conv3: conv(out, middle, 1) };
  };
  const stages = feat_channels.map((out, i) => {
    const into = feat_channels[i - 1] ?? narrow;
    const downsample = i === 0 ? {} : { downsample: { 0: conv(out, into, 1) } };
    return [`layer${i + 1}`, { 0: { ...bottleneck(out, into), ...downsample }, 1: bottleneck(out, out) }] as const;
  });
  return { conv1: conv(narrow, 3, 7), ...Object.fromEntries(stages), conv2: conv(feat_dim, wide, 1) };
}

function decoder(into: number, width: number, out: number, { skip_channels: skip }: AmtConfig): ShapeTree {
  const refined = {
    conv1: activeConv(width, width),
    conv2: activeConv(skip, skip),
    conv3: activeConv(width, width),
    conv4: activeConv(skip, skip),
    conv5: conv(width, width),
    prelu: { weight: [width] },
  };
  return { convblock: { 0: activeConv(width, into), 1: refined, 2: { weight: [width, out, 4, 4], bias: [out] } } };
}

function update(features: number, config: AmtConfig): ShapeTree {
  const { hidden_dim: hidden, flow_dim, corr_dim, fc_dim, corr_lvls, corr_radius } = config;
  return {
    convc1: conv(corr_dim, 2 * corr_lvls * (2 * corr_radius + 1) ** 2, 1),
    convf1: conv(2 * flow_dim, 4, 7),
    convf2: conv(flow_dim, 2 * flow_dim),
    conv: conv(fc_dim, corr_dim + flow_dim),
    gru: { 0: conv(hidden, fc_dim + 4 + features), 2: conv(hidden, hidden) },
    feat_head: { 0: conv(hidden, hidden), 2: conv(features, hidden) },
    flow_head: { 0: conv(hidden, hidden), 2: conv(4, hidden) },
  };
}
