import { type Tensor, tf } from '../tf.ts';
import { fused } from './dispatch.ts';

/** Which formula `gelu` uses. */
export type GeluForm = 'tanh' | 'erf';

/**
 * Gaussian error linear unit.
 * 'erf': x/2 (1 + erf(x/√2)); 'tanh': x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))).
 *
 * @param x - any shape
 * @param form - 'tanh' for Wan and T5, 'erf' for BERT and ViT
 * @throws when `form` is neither
 */
export function gelu(x: Tensor, form: GeluForm = 'erf'): Tensor {
  if (form !== 'tanh' && form !== 'erf') throw new Error(`gelu: form is ${String(form)}, want 'tanh' or 'erf'`);
  return fused({
    name: 'fused.gelu',
    inputs: { x },
    attributes: { form },
    reference: () => tf.mul(tf.mul(x, 0.5), tf.add(form === 'tanh' ? tanhGate(x) : tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
  });
}

/** tanh(√(2/π) (x + 0.044715 x³)) */
function tanhGate(x: Tensor): Tensor {
  const inner = tf.mul(x, tf.add(tf.mul(tf.square(x), 0.044715), 1));
  return tf.tanh(tf.mul(inner, Math.sqrt(2 / Math.PI)));
}

/** Sigmoid linear unit: x * sigmoid(x), any shape. */
export function silu(x: Tensor): Tensor {
  return fused({ name: 'fused.silu', inputs: { x }, reference: () => tf.mul(x, tf.sigmoid(x)) });
}
