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

/** Neighbouring slices of one size, which attend to themselves in one batch. */
export interface SliceRun {
  /** Slices in a row. */
  slices: number;
  /** Patches of each. */
  size: number;
}

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
export interface Turns {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

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

/** Qwen2-VL's own positions of a batch of sequences. */
export interface MropePositions {
  /** `[axis][sequence][token]`, axes time, row, column; 0 on padding. */
  readonly positions: number[][][];
  /** Largest position + 1 - padded length of each sequence: what a generated token's index is shifted by. */
  readonly deltas: number[];
}

/**
 * Qwen2-VL's own 3-D positions: text counts on all axes alike, a video's tokens carry their place in its grid, and
 * the text after it goes on at 1 + the largest position used. Sequences hold video tokens, no image tokens.
 *
 * @param ids - token ids of each sequence, padded to one length
 * @param mask - 1 = token, 0 = padding
 * @param grids - patches of each video, in the order of the video tokens over all sequences
 * @throws RangeError if the runs of video tokens do not have the sizes of the grids.
 * Source: transformers 4.45.2 modeling_qwen2_vl.py, `get_rope_index`.
 */
export function mropePositions(
  config: Pick<Qwen2VlConfig, 'video_token_id' | 'vision_config'>,
  ids: readonly (readonly number[])[],
  mask: readonly (readonly number[])[],
  grids: readonly PatchGrid[],
): MropePositions {
  const waiting = [...grids];
  const places = ids.map((row, i) => {
    const tokens = row.filter((_, at) => mask[i]![at] === 1);
    return { found: sequencePlaces(config, tokens, waiting), mask: mask[i]! };
  });
  if (waiting.length > 0) throw new RangeError(`${grids.length} grids for ${grids.length - waiting.length} videos`);
  const positions = [0, 1, 2].map((axis) =>
    places.map(({ found, mask }) =>
      spread(
        found.map((p) => p[axis]!),
        mask,
      ),
    ),
  );
  const deltas = places.map(({ found, mask }) => largest(found) + 1 - mask.length);
  return { positions, deltas };
}

type Place = readonly [time: number, row: number, column: number];

function sequencePlaces(
  { video_token_id, vision_config }: Pick<Qwen2VlConfig, 'video_token_id' | 'vision_config'>,
  tokens: readonly number[],
  waiting: PatchGrid[],
): Place[] {
  const places: Place[] = [];
  let next = 0;
  for (let at = 0; at < tokens.length; ) {
    const video = tokens[at] === video_token_id ? videoPlaces(waiting.shift(), vision_config.spatial_merge_size) : null;
    if (video && tokens.slice(at, at + video.length).some((id) => id !== video_token_id)) {
      throw new RangeError(`a video's grid has ${video.length} tokens; the run of video tokens at ${at} is shorter`);
    }
    const added = video?.map(([t, h, w]): Place => [t + next, h + next, w + next]) ?? [[next, next, next] as const];
    places.push(...added);
    next = largest(added) + 1;
    at += added.length;
  }
  return places;
}

function videoPlaces(grid: PatchGrid | undefined, merge: number): Place[] {
  if (grid === undefined)
    throw new RangeError('there are more runs of video tokens than grids; wanted one grid for each');
  const [time, rows, columns] = [grid[0], grid[1] / merge, grid[2] / merge];
  return Array.from({ length: time * rows * columns }, (_, i) => [
    Math.floor(i / (rows * columns)),
    Math.floor(i / columns) % rows,
    i % columns,
  ]);
}

function largest(places: readonly Place[]): number {
  return places.reduce((most, place) => Math.max(most, ...place), -1);
}

/** Values laid on the places where the mask is 1. */
function spread(values: readonly number[], mask: readonly number[]): number[] {
  let at = 0;
  return mask.map((real) => (real === 1 ? values[at++]! : 0));
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
