import { type Tensor, type Tensor1D, tf } from '../tf.ts';
import { expectShape } from './check.ts';

/**
 * Cross-entropy of softmax(logits) against class labels, per row: logsumexp(logits) - logits[label].
 *
 * @param logits - [B, K]
 * @param labels - int32 [B], 0 to K-1
 * @returns [B]
 */
export function softmaxCrossEntropy(logits: Tensor, labels: Tensor): Tensor {
  expectShape('softmaxCrossEntropy', 'logits', logits, ['B', 'K']);
  const [rows, classes] = logits.shape as [number, number];
  expectShape('softmaxCrossEntropy', 'labels', labels, [rows]);
  if (labels.dtype !== 'int32') {
    throw new Error(
      `softmaxCrossEntropy: labels are ${labels.dtype}, want int32; cast them with tf.cast(labels, 'int32')`,
    );
  }
  const picked = tf.mul(tf.logSoftmax(logits), tf.oneHot(labels as Tensor1D, classes));
  return tf.neg(tf.sum(picked, -1));
}
