import { linear } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';

/**
 * Patch tokens of images, width fastest: a convolution whose stride is its kernel, computed as a linear layer. Pixels
 * beyond the last whole patch are not seen.
 *
 * @param images - [B, H, W, 3]
 * @param weight - [D, 3, p, p]
 * @param bias - [D], or null for none
 * @returns [B, floor(H / p) floor(W / p), D]
 */
export function patchTokens(images: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  const [batch, height, width, channels] = images.shape as [number, number, number, number];
  const [dim, , patch] = weight.shape as [number, number, number, number];
  const [rows, columns] = [Math.floor(height / patch), Math.floor(width / patch)];
  if (rows === 0 || columns === 0) {
    throw new RangeError(`images have shape [${images.shape}]; wanted at least one patch of ${patch}x${patch} pixels`);
  }
  const whole = tf.slice(images, [0, 0, 0, 0], [batch, rows * patch, columns * patch, channels]);
  const cells = tf.reshape(whole, [batch * rows, patch, columns, patch * channels]);
  // [B h, p, w, p C] -> [B h, w, p, p C] -> [B, L, p p C]
  const inOrder = tf.reshape(tf.transpose(cells, [0, 2, 1, 3]), [batch, rows * columns, patch * patch * channels]);
  const kernel = tf.reshape(tf.transpose(weight, [0, 2, 3, 1]), [dim, patch * patch * channels]); // [D,C,p,p] -> [D, p p C]
  return linear(inOrder, kernel, bias);
}

/** Puts the class token before patch tokens: [1, 1, D] or [D], [B, L, D] -> [B, 1 + L, D]. */
export function withClassToken(token: Tensor, patches: Tensor): Tensor {
  const [batch, , width] = patches.shape as [number, number, number];
  const repeated = tf.tile(tf.reshape(token, [1, 1, width]), [batch, 1, 1]);
  return tf.concat([repeated, patches], 1);
}

/** The class token's row: [B, L, D] -> [B, D]. */
export function classToken(x: Tensor): Tensor {
  const [batch, , width] = x.shape as [number, number, number];
  return tf.reshape(tf.slice(x, [0, 0, 0], [batch, 1, width]), [batch, width]);
}
