/**
 * AMT: the picture halfway between two others, which VBench's motion smoothness compares with the one that was there.
 * From coarse to fine: decoders that double the resolution, update blocks that look up correlations.
 * Source: Li et al. 2023, arXiv 2304.09790; MCG-NKU/AMT networks/AMT-S.py.
 * Instead of a parity fixture, numbers of the original's own module on hashed weights stand in test/model/amt.
 */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type WeightView } from '../../nn/index.ts';
import { sameConv } from '../layers/layers.ts';
import { checkPair, correlationPyramid, lookUp, pixelGrid } from '../raft/correlation.ts';
import { activeConv, correlationFeatures, doublingConv, imagePyramid, resize, warp } from './layers.ts';
import { type AmtConfig, amtPresets, amtShapes } from './weights.ts';

/** Both sides of pictures are multiples of this many pixels. */
export const amtStride = 16;

/**
 * The picture halfway between two of [B, H, W, 3] in [0, 1], H and W multiples of 16.
 *
 * @throws RangeError for other shapes and for pictures too small for the coarsest correlations.
 */
export function amtMidpoint(net: Part<AmtConfig>, first: Tensor, second: Tensor): Tensor {
  checkPair('pictures', [first, second], amtStride, net.config.corr_lvls);
  return tf.tidy(() => {
    const mean = tf.div(tf.add(pictureMean(first), pictureMean(second)), 2); // [B, 1, 1, 1]
    const [a, b] = [tf.sub(first, mean), tf.sub(second, mean)];
    return tf.clipByValue(combined(net, { a, b, mean }, coarseToFine(net, a, b)), 0, 1);
  });
}

function pictureMean(x: Tensor): Tensor {
  return tf.mean(tf.mean(tf.mean(x, 3, true), 2, true), 1, true);
}

/** Where the picture between stands in its two neighbours, and features of it. */
interface Motion {
  /** Flow from the picture between to the first, [B, h, w, 2] as (right, down). */
  readonly toFirst: Tensor;
  /** Flow to the second. */
  readonly toSecond: Tensor;
  /** [B, h, w, C] */
  readonly features: Tensor;
}

/** The motion at half the resolution, and what the finest decoder sees of it. */
function coarseToFine({ weights, config }: Part<AmtConfig>, a: Tensor, b: Tensor): Motion & { seen: Tensor } {
  const { corr_lvls, corr_radius, skip_channels } = config;
  const [first, second] = [a, b].map((x) => correlationFeatures(weights.at('feat_encoder'), x)) as [Tensor, Tensor];
  const pyramids = [correlationPyramid(first, second, corr_lvls), correlationPyramid(second, first, corr_lvls)];
  const [ofFirst, ofSecond] = [a, b].map((x) => imagePyramid(weights.at('encoder'), x)) as [Tensor[], Tensor[]];
  const time = tf.mul(tf.onesLike(tf.slice(ofFirst[3]!, [0, 0, 0, 0], [-1, -1, -1, 1])), 0.5);
  let seen = tf.concat([ofFirst[3]!, ofSecond[3]!, time], 3);
  let motion: Motion | undefined;
  for (const [level, scale] of [
    [4, 1],
    [3, 2],
    [2, 4],
  ] as const) {
    const change = motionOf(decode(weights.at(`decoder${level}`), skip_channels, seen));
    const found = motion === undefined ? change : refined(motion, change);
    const lookUpAt = (toFirst: Tensor, toSecond: Tensor): Tensor => {
      const places = [toSecond, toFirst].map((flow) => tf.add(tf.mul(flow, 2), pixelGrid(flow.shape)));
      return tf.concat(
        pyramids.map((pyramid, i) => lookUp(pyramid, places[i]!, corr_radius)),
        3,
      );
    };
    motion = corrected(weights.at(`update${level}`), found, lookUpAt, scale);
    seen = warped(motion, ofFirst[level - 2]!, ofSecond[level - 2]!);
  }
  return { ...motion!, seen };
}

/** Features of both pictures brought to the place between, with the motion. */
function warped({ toFirst, toSecond, features }: Motion, first: Tensor, second: Tensor): Tensor {
  return tf.concat([features, warp(first, toFirst), warp(second, toSecond), toFirst, toSecond], 3);
}

/** The motion at twice the resolution, with the change that a decoder made of it. */
function refined({ toFirst, toSecond }: Motion, change: Motion): Motion {
  return {
    toFirst: tf.add(change.toFirst, doubled(toFirst)),
    toSecond: tf.add(change.toSecond, doubled(toSecond)),
    features: change.features,
  };
}

/** A flow at twice the resolution, hence twice as long in pixels. */
function doubled(flow: Tensor): Tensor {
  return tf.mul(resize(flow, 2), 2);
}

function motionOf(x: Tensor): Motion {
  const [toFirst, toSecond, features] = tf.split(x, [2, 2, x.shape[3]! - 4], 3) as [Tensor, Tensor, Tensor];
  return { toFirst, toSecond, features };
}

/** A convolution, a residual block that refines its last channels apart, and doubling of the resolution. */
function decode(weights: WeightView, side: number, x: Tensor): Tensor {
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
  return tf.prelu(tf.add(x, sameConv(weights, 'conv5', twice)), weights.get('prelu.weight'));
}

/**
 * The motion corrected by what is found where it points to. Halfway in time the second picture is as far again as the
 * place between, so the first picture's pixel p is looked up at p + 2 f. Its resolution is `scale` times the correlations'.
 */
function corrected(
  weights: WeightView,
  motion: Motion,
  lookUpAt: (toFirst: Tensor, toSecond: Tensor) => Tensor,
  scale: number,
): Motion {
  return tf.tidy(() => {
    const [toFirst, toSecond] = [motion.toFirst, motion.toSecond].map((flow) => {
      return tf.mul(resize(flow, 1 / scale), 1 / scale);
    }) as [Tensor, Tensor];
    const found = lookUpAt(toFirst, toSecond);
    const change = update(weights, resize(motion.features, 1 / scale), tf.concat([toFirst, toSecond], 3), found);
    const enlarged = tf.mul(resize(change.flow, scale), scale);
    const [first, second] = tf.split(enlarged, 2, 3) as [Tensor, Tensor];
    return {
      toFirst: tf.add(motion.toFirst, first),
      toSecond: tf.add(motion.toSecond, second),
      features: tf.add(motion.features, resize(change.features, scale)),
    };
  });
}

function update(weights: WeightView, features: Tensor, flow: Tensor, correlations: Tensor) {
  const layer = (name: string, x: Tensor): Tensor => tf.leakyRelu(sameConv(weights, name, x), 0.1);
  const seen = layer('convc1', correlations);
  const moved = layer('convf2', layer('convf1', flow));
  const joint = layer('conv', tf.concat([seen, moved], 3));
  const state = sameConv(weights, 'gru.2', layer('gru.0', tf.concat([joint, flow, features], 3)));
  const head = (name: string): Tensor => sameConv(weights, `${name}.2`, layer(`${name}.0`, state));
  return { flow: head('flow_head'), features: head('feat_head') };
}

/** Several pairs of flows and masks at full resolution; the pictures they bring are averaged, and mixed by convolutions. */
function combined(
  { weights, config }: Part<AmtConfig>,
  { a, b, mean }: { readonly a: Tensor; readonly b: Tensor; readonly mean: Tensor },
  { toFirst, toSecond, seen }: Motion & { seen: Tensor },
): Tensor {
  const { num_flows: count, skip_channels } = config;
  const fine = decode(weights.at('decoder1'), skip_channels, seen);
  const parts = tf.split(fine, [2 * count, 2 * count, count, 3 * count], 3) as Tensor[];
  const [ofFirst, ofSecond, masks, residues] = parts.map((x, i) => tf.split(i === 2 ? tf.sigmoid(x) : x, count, 3));
  const [intoFirst, intoSecond] = [doubled(toFirst), doubled(toSecond)];
  const pictures = masks!.map((mask, k) => {
    const fromFirst = warp(a, tf.add(ofFirst![k]!, intoFirst));
    const fromSecond = warp(b, tf.add(ofSecond![k]!, intoSecond));
    const mixed = tf.add(tf.mul(mask, fromFirst), tf.mul(tf.sub(1, mask), fromSecond));
    return tf.add(tf.add(mixed, mean), residues![k]!);
  });
  const average = tf.div(tf.addN(pictures), count);
  const change = sameConv(weights, 'comb_block.2', activeConv(weights, 'comb_block', tf.concat(pictures, 3)));
  return tf.add(average, change);
}

/** AMT's frame interpolation. */
export const amt: Architecture<AmtConfig, typeof amtMidpoint, 'amt_s'> = architecture({
  name: 'AMT',
  presets: amtPresets,
  shapes: amtShapes,
  forward: amtMidpoint,
});
