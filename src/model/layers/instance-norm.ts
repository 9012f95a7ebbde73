import { type Tensor, tf } from '../../engine/tf.ts';

const epsilon = 1e-5;

/** Mean 0 and variance 1 of each channel of each picture [B, H, W, C], without weights (PyTorch's InstanceNorm2d). */
export function instanceNorm(x: Tensor): Tensor {
  const centred = tf.sub(x, pixelMean(x));
  return tf.mul(centred, tf.rsqrt(tf.add(pixelMean(tf.square(centred)), epsilon)));
}

/** Mean over height and width, one after the other: a single long float32 sum loses digits. */
function pixelMean(x: Tensor): Tensor {
  return tf.mean(tf.mean(x, 2, true), 1, true);
}
