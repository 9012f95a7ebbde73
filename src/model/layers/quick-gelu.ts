import { type Tensor, tf } from '../../engine/tf.ts';

/** x sigmoid(1.702 x), CLIP's approximation of GELU. */
export function quickGelu(x: Tensor): Tensor {
  return tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)));
}
