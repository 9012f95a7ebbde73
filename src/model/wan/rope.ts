import { type Tensor, tf } from '../../engine/tf.ts';
import type { WanConfig } from './config.ts';

/** Extents of the token grid along time, height, width. */
export type TokenGrid = readonly [frames: number, height: number, width: number];

/** Cosines and sines of the rotary angles, [L, d/2] each, d the width of a head. */
export interface Rope {
  cos: Tensor;
  sin: Tensor;
}

/** Tables of {@link Rope} on the host in float64, row-major [L, d/2]. */
export interface RopeTables {
  cos: Float64Array;
  sin: Float64Array;
}

/** Widths of a head's part for time, height and width: d - 4 floor(d/6), 2 floor(d/6), 2 floor(d/6). */
export function ropeWidths(headDim: number): [number, number, number] {
  const side = 2 * Math.floor(headDim / 6);
  return [headDim - 2 * side, side, side];
}

/**
 * Rotary tables of a grid in float64. Pair j of an axis of width w turns by position * theta^(-2j/w); a token's pairs
 * come in the order time, height, width, tokens with width fastest.
 *
 * @param frameOffset position of the first frame, for blocks that continue a video
 */
export function ropeTables(config: WanConfig, grid: TokenGrid, frameOffset: number = 0): RopeTables {
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
