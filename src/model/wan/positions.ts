/** Where a token stands and how noisy it is: rotary tables of the token grid, sinusoids of the timestep. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { WanConfig } from './config.ts';

/** Extents of the token grid along time, height, width. */
export type TokenGrid = readonly [frames: number, height: number, width: number];

/** Cosines and sines of the rotary angles, [L, d/2] each, d the width of a head. */
export type Rope = Record<'cos' | 'sin', Tensor>;

/** Widths of a head's part for time, height and width: d - 4 floor(d/6), 2 floor(d/6), 2 floor(d/6). */
export function ropeWidths(headDim: number): [number, number, number] {
  const side = 2 * Math.floor(headDim / 6);
  return [headDim - 2 * side, side, side];
}

/**
 * Rotary tables of a grid in float64, the first frame at position `frameOffset`. Pair j of an axis of width w turns by
 * position * theta^(-2j/w); a token's pairs come in the order time, height, width, tokens with width fastest.
 */
export function ropeTables(
  config: WanConfig,
  grid: TokenGrid,
  frameOffset: number = 0,
): Record<'cos' | 'sin', Float64Array> {
  const { dim, num_heads, rope_theta } = config;
  const widths = ropeWidths(dim / num_heads);
  const axes = grid.map((extent, axis) =>
    axisAngles(extent, axis === 0 ? frameOffset : 0, widths[axis]!, rope_theta),
  ) as [Float64Array[], Float64Array[], Float64Array[]];
  const pairs = dim / num_heads / 2;
  const angles = new Float64Array(grid[0] * grid[1] * grid[2] * pairs);
  let at = 0;
  for (const time of axes[0]) {
    for (const row of axes[1]) {
      for (const column of axes[2]) {
        angles.set(time, at);
        angles.set(row, at + time.length);
        angles.set(column, at + time.length + row.length);
        at += pairs;
      }
    }
  }
  return { cos: angles.map(Math.cos), sin: angles.map(Math.sin) };
}

/** Angles of each position of an axis, by pair. */
function axisAngles(extent: number, offset: number, width: number, theta: number): Float64Array[] {
  return Array.from({ length: extent }, (_, position) =>
    Float64Array.from({ length: width / 2 }, (_, j) => (offset + position) * theta ** ((-2 * j) / width)),
  );
}

/** {@link ropeTables} as float32 tensors on the current engine. */
export function ropeOf(config: WanConfig, grid: TokenGrid, frameOffset: number = 0): Rope {
  const { cos, sin } = ropeTables(config, grid, frameOffset);
  const shape: [number, number] = [grid[0] * grid[1] * grid[2], config.dim / config.num_heads / 2]; // [L, d/2]
  return { cos: tf.tensor2d(Float32Array.from(cos), shape), sin: tf.tensor2d(Float32Array.from(sin), shape) };
}

/**
 * Timesteps in 0..1000: one number for all samples, one for each sample [B], or one for each sample and token frame
 * [B][F]; as numbers or as a tensor of rank 1 or 2. A tensor of rank 3 is taken for a finished sinusoidal embedding
 * [B, 1 or F, freq_dim], as made by {@link timestepEmbedding}. Use tensors inside `engine.compile`, where a number
 * would be frozen into the compiled step.
 */
export type Timesteps = number | readonly number[] | readonly (readonly number[])[] | Tensor;

/** Sinusoidal embedding of one timestep in float64: cosines of t 10000^(-2i/width), i < width/2, then the sines. */
export function sinusoid(t: number, width: number): Float64Array {
  const half = width / 2;
  return Float64Array.from({ length: width }, (_, i) => {
    const angle = t * 10000 ** (-(i % half) / half);
    return i < half ? Math.cos(angle) : Math.sin(angle);
  });
}

/**
 * Sinusoidal embedding of timesteps, accurate to float32: [1, 1, width] for one number, [B, 1, width] for one for each
 * sample, [B, F, width] for one for each frame.
 */
export function timestepEmbedding(t: Timesteps, width: number): Tensor {
  if (t instanceof tf.Tensor) {
    if (t.rank !== 3) return embedTensor(t, width);
    if (t.shape[2] === width) return t;
    throw new RangeError(`t: an embedding of shape [${t.shape}] was given, wanted [B, F, ${width}]`);
  }
  const rows = typeof t === 'number' ? [[t]] : t.map((row) => (typeof row === 'number' ? [row] : row));
  const frames = rows[0]?.length ?? 0;
  if (frames === 0 || rows.some((row) => row.length !== frames)) {
    throw new RangeError(`t: wanted rows of one length, received lengths ${rows.map((row) => row.length).join(', ')}`);
  }
  const values = Float32Array.from(rows.flat().flatMap((value) => Array.from(sinusoid(value, width))));
  return tf.tensor3d(values, [rows.length, frames, width]);
}

/**
 * The embedding computed on the engine. A float32 angle of up to 1000 would lose 5 digits, so whole timesteps are
 * looked up in a table made in float64, and the rest |r| <= 1/2 is added by the angle sum formulas.
 */
function embedTensor(t: Tensor, width: number): Tensor {
  if (t.rank < 1 || t.rank > 2) throw new RangeError(`t: wanted a tensor [B] or [B, F], received shape [${t.shape}]`);
  const half = width / 2;
  const column = tf.reshape(t, [t.shape[0]!, t.shape[1] ?? 1, 1]); // [B] or [B, F] -> [B, F, 1]
  const whole = tf.clipByValue(tf.round(column), 0, 1000);
  const found = tf.gather(tf.tensor2d(wholeSteps(width), [1001, width]), tf.cast(tf.squeeze(whole, [2]), 'int32'));
  const [cosWhole, sinWhole] = tf.split(found, 2, 2) as [Tensor, Tensor]; // [B, F, width] -> 2 of [B, F, width/2]
  const frequencies = Float32Array.from({ length: half }, (_, i) => 10000 ** (-i / half));
  const rest = tf.mul(tf.sub(column, whole), tf.tensor1d(frequencies));
  const [cosRest, sinRest] = [tf.cos(rest), tf.sin(rest)];
  const cos = tf.sub(tf.mul(cosWhole, cosRest), tf.mul(sinWhole, sinRest));
  const sin = tf.add(tf.mul(sinWhole, cosRest), tf.mul(cosWhole, sinRest));
  return tf.concat([cos, sin], 2);
}

const tables = new Map<number, Float32Array>();

/** Sinusoids of the timesteps 0, 1, ..., 1000, row by row; made once for a width. */
function wholeSteps(width: number): Float32Array {
  const known = tables.get(width);
  if (known !== undefined) return known;
  const table = new Float32Array(1001 * width);
  for (let t = 0; t <= 1000; t++) table.set(sinusoid(t, width), t * width);
  tables.set(width, table);
  return table;
}
