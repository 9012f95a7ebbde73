/** AMT from coarse to fine: decoders that double the resolution, update blocks that look up correlations. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part, WeightView } from '../../nn/index.ts';
import { correlationPyramid, lookUp } from '../raft/index.ts';
import { activeConv, conv, doublingConv, leakyConv, resize, warp } from './layers.ts';
import type { AmtConfig } from './weights.ts';

/** Where the picture between stands in its two neighbours, and features of it. */
export interface Motion {
  /** Flow from the picture between to the first, [B, h, w, 2] as (right, down). */
  readonly toFirst: Tensor;
  /** Flow to the second. */
  readonly toSecond: Tensor;
  /** [B, h, w, C] */
  readonly features: Tensor;
}

/** A first guess of the motion from the coarsest features, at twice their resolution. */
export function firstGuess(net: Part<AmtConfig>, first: Tensor, second: Tensor): Motion {
  const {
    weights,
    config: { skip_channels },
  } = net;
  const time = tf.mul(tf.onesLike(tf.slice(first, [0, 0, 0, 0], [-1, -1, -1, 1])), 0.5);
  return motionOf(decode(weights, skip_channels, tf.concat([first, second, time], 3)));
}

/** The motion at twice the resolution, from features of both pictures brought to the place between. */
export function finer(net: Part<AmtConfig>, motion: Motion, first: Tensor, second: Tensor): Motion {
  const {
    weights,
    config: { skip_channels },
  } = net;
  const { toFirst, toSecond, features } = motion;
  const seen = [features, warp(first, toFirst), warp(second, toSecond), toFirst, toSecond];
  const change = motionOf(decode(weights, skip_channels, tf.concat(seen, 3)));
  return {
    toFirst: tf.add(change.toFirst, doubled(toFirst)),
    toSecond: tf.add(change.toSecond, doubled(toSecond)),
    features: change.features,
  };
}

/** A flow at twice the resolution, hence twice as long in pixels. */
export function doubled(flow: Tensor): Tensor {
  return tf.mul(resize(flow, 2), 2);
}

function motionOf(x: Tensor): Motion {
  const [toFirst, toSecond, features] = tf.split(x, [2, 2, x.shape[3]! - 4], 3) as [Tensor, Tensor, Tensor];
  return { toFirst, toSecond, features };
}

/** A convolution, a residual block that refines its last channels apart, and doubling of the resolution. */
export function decode(weights: WeightView, side: number, x: Tensor): Tensor {
  return tf.tidy(() => {
    const wide = activeConv(weights, 'convblock.0', x);
    return doublingConv(weights, 'convblock.2', residualBlock(weights.at('convblock.1'), side, wide));
  });
}

function residualBlock(weights: WeightView, side: number, x: Tensor): Tensor {
  const refined = (name: string, y: Tensor): Tensor => {
    const [rest, last] = tf.split(y, [y.shape[3]! - side, side], 3) as [Tensor, Tensor];
    return tf.concat([rest, activeConv(weights, name, last)], 3);
  };
  const once = refined('conv2', activeConv(weights, 'conv1', x));
  const twice = refined('conv4', activeConv(weights, 'conv3', once));
  return tf.prelu(tf.add(x, conv(weights, 'conv5', twice)), weights.get('prelu.weight'));
}

/** Correlations of all pixels of the two pictures, in both directions. */
export interface BothWays {
  /** Maps of the second picture for the pixels of the first. */
  readonly onSecond: readonly Tensor[];
  readonly onFirst: readonly Tensor[];
}

/** Correlation pyramids of features [B, h, w, C]. */
export function correlateBothWays({ corr_lvls }: AmtConfig, first: Tensor, second: Tensor): BothWays {
  return {
    onSecond: correlationPyramid(first, second, corr_lvls),
    onFirst: correlationPyramid(second, first, corr_lvls),
  };
}

/**
 * The motion corrected by what is found where it points to. Halfway in time the second picture is as far again as the
 * place between, so the first picture's pixel p is looked up at p + 2 f.
 *
 * @param scale - resolution of the motion over that of the correlations
 */
export function corrected(net: Part<AmtConfig>, motion: Motion, correlations: BothWays, scale: number): Motion {
  const {
    weights,
    config: { corr_radius },
  } = net;
  return tf.tidy(() => {
    const [toFirst, toSecond] = [motion.toFirst, motion.toSecond].map((flow) => {
      return tf.mul(resize(flow, 1 / scale), 1 / scale);
    }) as [Tensor, Tensor];
    const found = [
      lookUp(correlations.onSecond, places(tf.mul(toSecond, 2)), corr_radius),
      lookUp(correlations.onFirst, places(tf.mul(toFirst, 2)), corr_radius),
    ];
    const flow = tf.concat([toFirst, toSecond], 3);
    const change = update(weights, resize(motion.features, 1 / scale), flow, tf.concat(found, 3));
    const enlarged = tf.mul(resize(change.flow, scale), scale);
    const [first, second] = tf.split(enlarged, 2, 3) as [Tensor, Tensor];
    return {
      toFirst: tf.add(motion.toFirst, first),
      toSecond: tf.add(motion.toSecond, second),
      features: tf.add(motion.features, resize(change.features, scale)),
    };
  });
}

/** The pixel grid plus a displacement: [B, h, w, 2] as (x, y). */
function places(displacement: Tensor): Tensor {
  const [, height, width] = displacement.shape as [number, number, number];
  const data = Float32Array.from({ length: height * width * 2 }, (_, i) => {
    return i % 2 === 0 ? (i >> 1) % width : Math.floor((i >> 1) / width);
  });
  return tf.add(displacement, tf.tensor4d(data, [1, height, width, 2]));
}

function update(
  weights: WeightView,
  features: Tensor,
  flow: Tensor,
  correlations: Tensor,
): { flow: Tensor; features: Tensor } {
  const seen = leakyConv(weights, 'convc1', correlations);
  const moved = leakyConv(weights, 'convf2', leakyConv(weights, 'convf1', flow));
  const joint = leakyConv(weights, 'conv', tf.concat([seen, moved], 3));
  const mixed = leakyConv(weights, 'gru.0', tf.concat([joint, flow, features], 3));
  const state = conv(weights, 'gru.2', mixed);
  const head = (name: string): Tensor => conv(weights, `${name}.2`, leakyConv(weights, `${name}.0`, state));
  return { flow: head('flow_head'), features: head('feat_head') };
}
