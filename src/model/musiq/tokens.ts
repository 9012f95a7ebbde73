/** How a picture of any size becomes patches: several sizes of it, each cut into squares with places on one grid. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { resample, roundHalfEven } from '../preprocess/index.ts';
import type { MusiqConfig } from './config.ts';

/** Patches of one size of the pictures. */
export interface ScaleTokens {
  /** [B, L, p, p, 3] */
  readonly patches: Tensor;
  /** For each patch its row in the position table: [L] of integers below G². */
  readonly places: readonly number[];
  /** Which size: 0 for the smallest, the last for the pictures as they are. */
  readonly scale: number;
}

/** Patches of all sizes, smallest first: [B, H, W, 3] in [-1, 1]. */
export function multiscaleTokens(config: MusiqConfig, images: Tensor): ScaleTokens[] {
  const { patch_size, spatial_pos_grid_size: grid, longer_side_lengths } = config;
  const copies = [...longer_side_lengths.map((longer) => resizeLonger(images, longer)), images];
  return copies.map((copy, scale) => {
    const [, height, width] = copy.shape as [number, number, number];
    const [rows, columns] = [Math.ceil(height / patch_size), Math.ceil(width / patch_size)];
    return { patches: cutPatches(copy, patch_size), places: hashedPlaces(grid, rows, columns), scale };
  });
}

/** Bicubic without antialiasing, so that the longer side has `longer` pixels; sides are rounded halves to even. */
function resizeLonger(images: Tensor, longer: number): Tensor {
  const [, height, width] = images.shape as [number, number, number];
  const ratio = longer / Math.max(height, width);
  const plan = (from: number) => ({ from, to: roundHalfEven(from * ratio) });
  return resample(images, plan(height), plan(width), { kernel: 'bicubic', antialias: false });
}

/** Squares row by row, the picture padded with 0 to whole ones, the odd half of the padding after: [B, L, p, p, 3]. */
function cutPatches(images: Tensor, size: number): Tensor {
  const [batch, height, width] = images.shape as [number, number, number];
  const [rows, columns] = [Math.ceil(height / size), Math.ceil(width / size)];
  const pad = (missing: number): [number, number] => [Math.floor(missing / 2), Math.ceil(missing / 2)];
  const whole = tf.pad(images, [[0, 0], pad(rows * size - height), pad(columns * size - width), [0, 0]]);
  const strips = tf.reshape(whole, [batch * rows, size, columns, size * 3]); // [B h, p, w, p 3]
  const squares = tf.transpose(strips, [0, 2, 1, 3]); // [B h, w, p, p 3]
  return tf.reshape(squares, [batch, rows * columns, size, size, 3]);
}

/**
 * Row of the G x G position table for each of rows x columns patches: patch i of n stands at floor(i G / n), in single
 * precision as PyTorch's nearest-neighbour resizing has it.
 */
export function hashedPlaces(grid: number, rows: number, columns: number): number[] {
  const place = (i: number, count: number): number => {
    return Math.min(Math.floor(Math.fround(i * Math.fround(grid / count))), grid - 1);
  };
  return Array.from({ length: rows * columns }, (_, i) => {
    return place(Math.floor(i / columns), rows) * grid + place(i % columns, columns);
  });
}
