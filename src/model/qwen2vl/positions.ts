/** Positions of tokens for the language model: one for each of time, row and column. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Qwen2VlConfig } from './config.ts';
import type { PatchGrid } from './grid.ts';
import { frequencies, type Turns, turnsOf } from './rope.ts';

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
    throw new RangeError('there are more runs of video tokens than grids; want one grid for each');
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
