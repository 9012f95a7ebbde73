/** Grids of patches, the positions of tokens on them, and the rotary turns that follow, of both towers. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Qwen2VlConfig } from './weights.ts';

/** Grids of patches, [time, height, width] as in `video_grid_thw`. */
export type PatchGrid = readonly [time: number, height: number, width: number];

/** Number of patches of a grid. */
export function patchCount([time, height, width]: PatchGrid): number {
  return time * height * width;
}

/**
 * Row and column of each patch in the order of the tower's tokens: slice by slice, in it merge square by merge
 * square, in that row by row.
 *
 * @throws RangeError if height or width is not a multiple of `merge`.
 */
export function patchPlaces([time, height, width]: PatchGrid, merge: number): [row: number, column: number][] {
  if (height % merge !== 0 || width % merge !== 0) {
    throw new RangeError(`grid [${[time, height, width]}]: height and width must be multiples of ${merge}`);
  }
  const squareSize = merge * merge;
  const squaresAcross = width / merge;
  return Array.from({ length: time * height * width }, (_, i) => {
    const inSlice = i % (height * width);
    const square = Math.floor(inSlice / squareSize);
    const inSquare = inSlice % squareSize;
    const row = Math.floor(square / squaresAcross) * merge + Math.floor(inSquare / merge);
    return [row, (square % squaresAcross) * merge + (inSquare % merge)];
  });
}

/** Neighbouring slices of so many patches each, which attend to themselves in one batch. */
export type SliceRun = { slices: number; size: number };

/** The slices of several grids one after the other. */
export function sliceRuns(grids: readonly PatchGrid[]): SliceRun[] {
  const runs: SliceRun[] = [];
  for (const [time, height, width] of grids) {
    const last = runs.at(-1);
    if (last?.size === height * width) last.slices += time;
    else runs.push({ slices: time, size: height * width });
  }
  return runs;
}

/** Cosines and sines of the angles, [B or 1, L, 1, D/2] each. */
export type Turns = Readonly<Record<'cos' | 'sin', Tensor>>;

/** Turns of angles [B, L, D/2]. */
export function turnsOf(angles: Tensor): Turns {
  const perHead = tf.expandDims(angles, 2); // [B,L,D/2] -> [B,L,1,D/2]
  return { cos: tf.cos(perHead), sin: tf.sin(perHead) };
}

/** Turns each pair (j, j + D/2) of the channels by its token's angle: [B, L, N, D] -> [B, L, N, D]. */
export function turnHalves(x: Tensor, { cos, sin }: Turns): Tensor {
  const [a, b] = tf.split(x, 2, 3) as [Tensor, Tensor];
  return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], 3);
}

/** theta^(-j / count) for j = 0 .. count - 1: radians per position of each angle channel. */
export function frequencies(count: number, theta: number): number[] {
  return Array.from({ length: count }, (_, j) => Math.fround(theta ** (-j / count)));
}

/** The running index 0 .. L-1 on all three axes, as VideoAlign calls the model: [3, 1, L]. */
export function sequentialPositions(length: number): Tensor {
  return tf.tile(tf.reshape(tf.range(0, length, 1, 'float32'), [1, 1, length]), [3, 1, 1]);
}

/**
 * Turns of the language model: each angle channel follows the axis of its section.
 *
 * @param positions - float32 [3, B or 1, L]
 */
export function mropeTurns(config: Qwen2VlConfig, positions: Tensor): Turns {
  const channels = config.hidden_size / config.num_attention_heads / 2;
  const { mrope_section } = config.rope_scaling;
  const axes = mrope_section.flatMap((count, axis) => Array.from({ length: count }, () => axis));
  if (axes.length !== channels) {
    throw new RangeError(`mrope_section [${mrope_section}] has ${axes.length} channels; the heads have ${channels}`);
  }
  const rates = frequencies(channels, config.rope_theta);
  const [, batch, length] = positions.shape as [number, number, number];
  const parts = mrope_section.map((count, axis) => {
    const first = mrope_section.slice(0, axis).reduce((sum, size) => sum + size, 0);
    const place = tf.reshape(tf.slice(positions, [axis, 0, 0], [1, batch, length]), [batch, length, 1]);
    return tf.mul(place, tf.tensor1d(rates.slice(first, first + count))); // [B,L,1] x [count]
  });
  return turnsOf(tf.concat(parts, -1));
}
