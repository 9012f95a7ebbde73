import { type Tensor, tf } from '../../engine/tf.ts';
import { resample } from '../preprocess/index.ts';

const factor = 8;

/** Flow at eight times the resolution, corners aligned: [B, h, w, 2] -> [B, 8h, 8w, 2]. */
export function upsampleBilinear(flow: Tensor): Tensor {
  const [, h, w] = flow.shape as [number, number, number];
  const [rows, columns] = [h, w].map((from) => ({ from, to: factor * from })) as [
    { from: number; to: number },
    { from: number; to: number },
  ];
  const filter = { kernel: 'bilinear', antialias: false, alignCorners: true } as const;
  return tf.tidy(() => tf.mul(resample(flow, rows, columns, filter), factor));
}

/**
 * Flow at eight times the resolution, each new value a mixture of the 3x3 coarse values around it.
 *
 * @param flow - [B, h, w, 2]
 * @param mask - [B, h, w, 9 * 64]: neighbour, then place in the 8x8 cell; made to sum to 1 over neighbours
 * @returns [B, 8h, 8w, 2]
 */
export function upsampleConvex(flow: Tensor, mask: Tensor): Tensor {
  const [batch, h, w] = flow.shape as [number, number, number];
  const cells = batch * h * w;
  return tf.tidy(() => {
    const byNeighbour = tf.transpose(tf.reshape(mask, [cells, 9, factor * factor]), [0, 2, 1]); // [P, 64, 9]
    const around = tf.reshape(neighbours(tf.mul(flow, factor)), [cells, 9, 2]);
    const fine = tf.matMul(tf.softmax(byNeighbour), around); // [P, 64, 2]
    const grid = tf.reshape(fine, [batch * h, w, factor, factor * 2]);
    // [B h, w, 8, 8 2] -> [B h, 8, w, 8 2] -> [B, 8h, 8w, 2]
    return tf.reshape(tf.transpose(grid, [0, 2, 1, 3]), [batch, h * factor, w * factor, 2]);
  });
}

/** The 3x3 values around each value, 0 outside, row by row: [B, h, w, 2] -> [B, h, w, 9, 2]. */
function neighbours(x: Tensor): Tensor {
  const [batch, h, w, channels] = x.shape as [number, number, number, number];
  const padded = tf.pad(x, [
    [0, 0],
    [1, 1],
    [1, 1],
    [0, 0],
  ]);
  const shifted = Array.from({ length: 9 }, (_, i) => {
    return tf.slice(padded, [0, Math.floor(i / 3), i % 3, 0], [batch, h, w, channels]);
  });
  return tf.stack(shifted, 3);
}
