/** Correlations of all pairs of pixels on several scales, and looking them up around where a pixel is thought to go. */
import { type Tensor, type Tensor4D, tf } from '../../engine/tf.ts';

/** One scale: for each pixel of the first image the correlations with the pixels of the second, [B h w, H_l, W_l]. */
export interface CorrelationLevel {
  readonly correlations: Tensor;
  readonly height: number;
  readonly width: number;
}

/**
 * <f1(p), f2(q)> / sqrt(C) for all p and q; on coarser levels q runs over means of 2x2, 4x4, ... pixels.
 *
 * @param first - features [B, h, w, C]
 * @param second - features [B, h, w, C]
 */
export function correlationPyramid(first: Tensor, second: Tensor, levels: number): CorrelationLevel[] {
  const [batch, h, w, channels] = first.shape as [number, number, number, number];
  const pixels = tf.mul(tf.reshape(first, [batch, h * w, channels]), 1 / Math.sqrt(channels));
  let coarse = second;
  return Array.from({ length: levels }, (_, level) => {
    // the mean of correlations is the correlation with the mean
    if (level > 0) coarse = tf.avgPool(coarse as Tensor4D, 2, 2, 'valid');
    const [height, width] = coarse.shape.slice(1) as [number, number];
    const others = tf.reshape(coarse, [batch, height * width, channels]);
    const products = tf.matMul(pixels, others, false, true); // [B, hw, H W]
    return { correlations: tf.reshape(products, [batch * h * w, height, width]), height, width };
  });
}

/**
 * Correlations in windows of (2 r + 1)² around places of the second image, bilinear, 0 outside of it. The offset in x
 * is the slow one.
 *
 * @param places - [B, h, w, 2] as (x, y) in pixels of the finest level; no gradient flows to them
 * @returns [B, h, w, levels (2 r + 1)²]
 */
export function lookUp(pyramid: readonly CorrelationLevel[], places: Tensor, radius: number): Tensor {
  const [batch, h, w] = places.shape as [number, number, number];
  const [x, y] = tf.split(tf.reshape(places, [batch * h * w, 2]), 2, 1) as [Tensor, Tensor]; // [P, 1]
  const windows = pyramid.map(({ correlations, height, width }, level) => {
    const rows = hats(tf.div(y, 2 ** level), radius, height); // [P, 2r+1, H]
    const columns = hats(tf.div(x, 2 ** level), radius, width); // [P, 2r+1, W]
    const inRows = tf.matMul(rows, correlations); // [P, 2r+1, W]
    return tf.matMul(columns, inRows, false, true); // [P, x, y]
  });
  const side = 2 * radius + 1;
  return tf.concat(
    windows.map((window) => tf.reshape(window, [batch, h, w, side * side])),
    3,
  );
}

/** Bilinear weights of `length` pixels for places centre - r, ..., centre + r: [P, 1] -> [P, 2 r + 1, length]. */
function hats(centre: Tensor, radius: number, length: number): Tensor {
  const side = 2 * radius + 1;
  const offsets = tf.tensor2d(
    Float32Array.from({ length: side * length }, (_, i) => (i % length) - Math.floor(i / length) + radius),
    [side, length],
  );
  const distance = tf.abs(tf.sub(tf.expandDims(offsets, 0), tf.expandDims(centre, 2)));
  return tf.relu(tf.sub(1, distance));
}
