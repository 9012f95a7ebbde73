/**
 * AMT: the picture halfway between two others, which VBench's motion smoothness compares with the one that was there.
 * Source: Li et al. 2023, arXiv 2304.09790; MCG-NKU/AMT networks/AMT-S.py.
 *
 * There is no parity fixture: the original's own module was run on hashed weights, and its numbers
 * stand in test/model/amt.
 */

import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part } from '../../nn/index.ts';
import { sameShape } from '../../nn/internal.ts';
import { corrected, correlateBothWays, decode, doubled, finer, firstGuess, type Motion } from './decoders.ts';
import { activeConv, conv, correlationFeatures, imagePyramid, warp } from './layers.ts';
import { type AmtConfig, amtPresets, amtShapes } from './weights.ts';

/** Both sides of pictures are multiples of this many pixels. */
export const amtStride = 16;

/**
 * The picture halfway between: [B, H, W, 3] in [0, 1].
 *
 * @param first - [B, H, W, 3] in [0, 1], H and W multiples of 16
 * @param second - as `first`
 * @throws RangeError for other shapes and for pictures too small for the coarsest correlations.
 */
export function amtMidpoint(net: Part<AmtConfig>, first: Tensor, second: Tensor): Tensor {
  const { config } = net;
  checkPictures(config, first, second);
  return tf.tidy(() => {
    const mean = tf.div(tf.add(pictureMean(first), pictureMean(second)), 2); // [B, 1, 1, 1]
    const [a, b] = [tf.sub(first, mean), tf.sub(second, mean)];
    const motion = coarseToFine(net, a, b);
    return tf.clipByValue(combined(net, { a, b, mean }, motion), 0, 1);
  });
}

function pictureMean(x: Tensor): Tensor {
  return tf.mean(tf.mean(tf.mean(x, 3, true), 2, true), 1, true);
}

/** The motion at half the resolution, and the finest features of both pictures. */
interface FineMotion extends Motion {
  readonly firstFeatures: Tensor;
  readonly secondFeatures: Tensor;
}

function coarseToFine(net: Part<AmtConfig>, a: Tensor, b: Tensor): FineMotion {
  const { weights, config } = net;
  const features = [a, b].map((x) => correlationFeatures(weights.at('feat_encoder'), x)) as [Tensor, Tensor];
  const correlations = correlateBothWays(config, ...features);
  const [ofFirst, ofSecond] = [a, b].map((x) => imagePyramid({ weights: weights.at('encoder'), config }, x)) as [
    Tensor[],
    Tensor[],
  ];
  let motion = firstGuess({ weights: weights.at('decoder4'), config }, ofFirst[3]!, ofSecond[3]!);
  motion = corrected({ weights: weights.at('update4'), config }, motion, correlations, 1);
  for (const [level, scale] of [
    [3, 2],
    [2, 4],
  ] as const) {
    motion = finer(
      { weights: weights.at(`decoder${level}`), config },
      motion,
      ofFirst[level - 1]!,
      ofSecond[level - 1]!,
    );
    motion = corrected({ weights: weights.at(`update${level}`), config }, motion, correlations, scale);
  }
  return { ...motion, firstFeatures: ofFirst[0]!, secondFeatures: ofSecond[0]! };
}

/** The two pictures without their mean, and the mean. */
interface Pair {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly mean: Tensor;
}

/** Several pairs of flows and masks at full resolution; the pictures they bring are averaged, and mixed by convolutions. */
function combined(net: Part<AmtConfig>, { a, b, mean }: Pair, motion: FineMotion): Tensor {
  const { weights, config } = net;
  const { num_flows: count, skip_channels } = config;
  const { toFirst, toSecond, features, firstFeatures, secondFeatures } = motion;
  const seen = [features, warp(firstFeatures, toFirst), warp(secondFeatures, toSecond), toFirst, toSecond];
  const fine = decode(weights.at('decoder1'), skip_channels, tf.concat(seen, 3));
  const [firstChange, secondChange, masks, residues] = tf.split(fine, [2 * count, 2 * count, count, 3 * count], 3) as [
    Tensor,
    Tensor,
    Tensor,
    Tensor,
  ];
  const parts = (x: Tensor): Tensor[] => tf.split(x, count, 3);
  const [intoFirst, intoSecond] = [doubled(toFirst), doubled(toSecond)];
  const [firstParts, secondParts, residueParts] = [parts(firstChange), parts(secondChange), parts(residues)];
  const pictures = parts(tf.sigmoid(masks)).map((mask, k) => {
    const fromFirst = warp(a, tf.add(firstParts[k]!, intoFirst));
    const fromSecond = warp(b, tf.add(secondParts[k]!, intoSecond));
    const mixed = tf.add(tf.mul(mask, fromFirst), tf.mul(tf.sub(1, mask), fromSecond));
    return tf.add(tf.add(mixed, mean), residueParts[k]!);
  });
  const average = tf.div(tf.addN(pictures), count);
  const change = conv(weights, 'comb_block.2', activeConv(weights, 'comb_block', tf.concat(pictures, 3)));
  return tf.add(average, change);
}

function checkPictures({ corr_lvls }: AmtConfig, first: Tensor, second: Tensor): void {
  const [, height, width, channels] = first.shape;
  const smallest = 8 * 2 ** corr_lvls;
  const whole = first.rank === 4 && channels === 3 && height! % amtStride === 0 && width! % amtStride === 0;
  if (whole && Math.min(height!, width!) >= smallest && sameShape(first.shape, second.shape)) return;
  throw new RangeError(
    `pictures have shapes [${first.shape}] and [${second.shape}]; wanted equal [B, H, W, 3] with H and W multiples ` +
      `of ${amtStride}, ${smallest} or more (pad or enlarge them)`,
  );
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
  forward: amtMidpoint,
});
