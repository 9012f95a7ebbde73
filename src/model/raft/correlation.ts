/** Correlations of all pairs of pixels on several scales, and looking them up around where a pixel is thought to go. */
import { type Tensor, type Tensor4D, tf } from '../../engine/tf.ts';
import { sameShape } from '../../nn/internal.ts';

/** Throws unless both pictures fit: of one shape, sides multiples of `stride`, large enough for the coarsest level. */
export function checkPair(what: string, pair: readonly [Tensor, Tensor], stride: number, levels: number): void {
  const [{ shape, rank }, second] = pair;
  const [, height = 0, width = 0, channels] = shape;
  const smallest = 8 * 2 ** levels; // correlations are taken at an eighth of the resolution
  const whole = rank === 4 && channels === 3 && height % stride === 0 && width % stride === 0;
  if (whole && Math.min(height, width) >= smallest && sameShape(shape, second.shape)) return;
  throw new RangeError(
    `${what} have shapes [${shape}] and [${second.shape}]; wanted equal [B, H, W, 3] with H and W multiples ` +
      `of ${stride}, ${smallest} or more (pad or enlarge them)`,
  );
}

/** Places (x, y) of all pixels of [B, h, w, ...]: [1, h, w, 2]. */
export function pixelGrid([, h = 0, w = 0]: readonly number[]): Tensor {
  const data = Float32Array.from({ length: h * w * 2 }, (_, i) => {
    return i % 2 === 0 ? (i >> 1) % w : Math.floor((i >> 1) / w);
  });
  return tf.tensor4d(data, [1, h, w, 2]);
}

/**
 * <f1(p), f2(q)> / sqrt(C) for all p and q of features [B, h, w, C]; on coarser levels q runs over means of 2x2, 4x4, ...
 * pixels. A level is [B h w, H_l, W_l]: a map of the second image for each pixel of the first.
 */
export function correlationPyramid(first: Tensor, second: Tensor, levels: number): Tensor[] {
  const [batch, h, w, channels] = first.shape as [number, number, number, number];
  const pixels = tf.mul(tf.reshape(first, [batch, h * w, channels]), 1 / Math.sqrt(channels));
  let coarse = second;
  return Array.from({ length: levels }, (_, level) => {
    // the mean of correlations is the correlation with the mean
    if (level > 0) coarse = tf.avgPool(coarse as Tensor4D, 2, 2, 'valid');
    const [height, width] = coarse.shape.slice(1) as [number, number];
    const others = tf.reshape(coarse, [batch, height * width, channels]);
    const products = tf.matMul(pixels, others, false, true); // [B, hw, H W]
    return tf.reshape(products, [batch * h * w, height, width]);
  });
}

/**
 * Correlations [B, h, w, levels (2 r + 1)²] in windows around places [B, h, w, 2] of the second image, as (x, y) in pixels
 * of the finest level: bilinear, 0 outside of it, the offset in x the slow one. No gradient flows to the places.
 */
export function lookUp(pyramid: readonly Tensor[], places: Tensor, radius: number): Tensor {
  const [batch, h, w] = places.shape as [number, number, number];
  const [x, y] = tf.split(tf.reshape(places, [batch * h * w, 2]), 2, 1) as [Tensor, Tensor]; // [P, 1]
  const windows = pyramid.map((maps, level) => {
    const window = sampleWindow(maps, tf.div(x, 2 ** level), tf.div(y, 2 ** level), radius);
    return tf.reshape(window, [batch, h, w, (2 * radius + 1) ** 2]);
  });
  return tf.concat(windows, 3);
}

/** Windows around (x, y), [P, 1] each, of maps [P, H, W]: [P, 2 r + 1 in x, 2 r + 1 in y]. */
function sampleWindow(maps: Tensor, x: Tensor, y: Tensor, radius: number): Tensor {
  const [, height, width] = maps.shape as [number, number, number];
  const spread = (dy: Tensor, [savedX, savedY]: Tensor[]): Tensor => {
    const inRows = tf.matMul(dy, hats(savedX!, radius, width), true); // [P, y, W]
    return tf.matMul(hats(savedY!, radius, height), inRows, true); // [P, H, W]
  };
  const sample = tf.customGrad((...args) => {
    const [given, save] = args as unknown as [Tensor, (tensors: Tensor[]) => void];
    save([x, y]);
    return { value: gatherWindow(given, x, y, radius), gradFunc: spread };
  });
  return sample(maps);
}

/** Reads the (2 r + 2)² pixels that a window touches, then mixes neighbours along x and along y. */
function gatherWindow(maps: Tensor, x: Tensor, y: Tensor, radius: number): Tensor {
  const [pixels, height, width] = maps.shape as [number, number, number];
  const [across, down] = [windowTaps(x, radius, width), windowTaps(y, radius, height)];
  const starts = tf.expandDims(tf.range(0, pixels * height * width, height * width, 'int32'), 1); // [P, 1]
  const columns = tf.expandDims(tf.add(starts, across.index), 2); // [P, x, 1]
  const rows = tf.expandDims(tf.mul(down.index, tf.scalar(width, 'int32')), 1); // [P, 1, y]
  const index = tf.add(columns, rows); // [P, x, y]
  const values = tf.reshape(tf.gather(tf.reshape(maps, [-1]), tf.reshape(index, [-1])), index.shape);
  return mixNeighbours(mixNeighbours(values, across, 1), down, 2);
}

/** Along one axis: the 2 r + 2 pixels that a window touches, and how much of each neighbour a value takes. */
interface WindowTaps {
  /** Pixels within the map, int32 [P, 2 r + 2]. */
  readonly index: Tensor;
  /** Share of the first of two neighbours, 0 outside of the map: [P, 2 r + 1]. */
  readonly first: Tensor;
  /** Share of the second. */
  readonly second: Tensor;
}

function windowTaps(centre: Tensor, radius: number, length: number): WindowTaps {
  const base = tf.floor(centre); // [P, 1]
  const places = tf.add(base, tf.expandDims(tf.range(-radius, radius + 2, 1), 0)); // [P, 2r+2]
  const within = tf.clipByValue(places, 0, length - 1);
  const inside = tf.cast(tf.equal(within, places), 'float32');
  const rest = tf.sub(centre, base);
  const [pixels, count] = inside.shape as [number, number];
  return {
    index: tf.cast(within, 'int32'),
    first: tf.mul(tf.slice(inside, [0, 0], [pixels, count - 1]), tf.sub(1, rest)),
    second: tf.mul(tf.slice(inside, [0, 1], [pixels, count - 1]), rest),
  };
}

/** v[i] first[i] + v[i + 1] second[i] along axis 1 or 2. */
function mixNeighbours(values: Tensor, { first, second }: WindowTaps, axis: 1 | 2): Tensor {
  const size = values.shape.map((extent, i) => (i === axis ? extent - 1 : extent));
  const begin = (offset: number): number[] => size.map((_, i) => (i === axis ? offset : 0));
  const from = (offset: number): Tensor => tf.slice(values, begin(offset), size);
  const share = (shares: Tensor): Tensor => tf.expandDims(shares, 3 - axis); // [P, S, 1] for axis 1, [P, 1, S] for 2
  return tf.add(tf.mul(from(0), share(first)), tf.mul(from(1), share(second)));
}

/** Bilinear weights of `length` pixels for places centre - r, ..., centre + r: [P, 1] -> [P, 2 r + 1, length]. */
function hats(centre: Tensor, radius: number, length: number): Tensor {
  const side = 2 * radius + 1;
  const data = Float32Array.from({ length: side * length }, (_, i) => (i % length) - Math.floor(i / length) + radius);
  const offsets = tf.tensor2d(data, [side, length]);
  const distance = tf.abs(tf.sub(tf.expandDims(offsets, 0), tf.expandDims(centre, 2)));
  return tf.relu(tf.sub(1, distance));
}
