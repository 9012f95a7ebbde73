/** Layers that work on each row or element: linear, activations, normalisations, modulation, the loss of a classifier. */
import { type Tensor, type Tensor1D, type Tensor2D, tf } from '../tf.ts';
import { defineFused, expectRank, expectShape, type GeluForm, lastAxis } from './fused.ts';

/**
 * Linear layer in PyTorch's layout: y = x Wᵀ + b.
 *
 * @param x - [..., In]
 * @param weight - [Out, In]
 * @param bias - [Out], or null for none
 * @returns [..., Out]
 * @throws when the last axis of `x` is not In, or when the bias is not [Out]
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  expectRank('linear', 'x', x, 1);
  expectShape('linear', 'weight', weight, ['Out', lastAxis(x)]);
  const out = weight.shape[0] as number;
  if (bias) expectShape('linear', 'bias', bias, [out]);
  return fusedLinear(bias ? { x, weight, bias } : { x, weight }, {});
}

const fusedLinear = defineFused('linear', ({ x, weight, bias }) => {
  const [out, width] = weight.shape as [number, number];
  const rows = tf.reshape(x, [-1, width]); // [..., In] -> [M, In]
  const product = tf.matMul(rows as Tensor2D, weight as Tensor2D, false, true);
  const shifted = bias ? tf.add(product, bias) : product;
  return tf.reshape(shifted, [...x.shape.slice(0, -1), out]); // [M, Out] -> [..., Out]
});

/**
 * Gaussian error linear unit.
 * 'erf': x/2 (1 + erf(x/√2)); 'tanh': x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))).
 *
 * @param x - any shape
 * @param form - 'tanh' for Wan and T5, 'erf' for BERT and ViT
 * @throws when `form` is neither
 */
export function gelu(x: Tensor, form: GeluForm = 'erf'): Tensor {
  if (form !== 'tanh' && form !== 'erf') throw new Error(`gelu: form is ${String(form)}, wanted 'tanh' or 'erf'`);
  return fusedGelu({ x }, { form });
}

const fusedGelu = defineFused('gelu', ({ x }, { form }) =>
  tf.mul(tf.mul(x, 0.5), tf.add(form === 'tanh' ? tanhGate(x) : tf.erf(tf.mul(x, Math.SQRT1_2)), 1)),
);

/** tanh(√(2/π) (x + 0.044715 x³)) */
function tanhGate(x: Tensor): Tensor {
  const inner = tf.mul(x, tf.add(tf.mul(tf.square(x), 0.044715), 1));
  return tf.tanh(tf.mul(inner, Math.sqrt(2 / Math.PI)));
}

/** Sigmoid linear unit: x * sigmoid(x), any shape. */
export function silu(x: Tensor): Tensor {
  return fusedSilu({ x }, {});
}

const fusedSilu = defineFused('silu', ({ x }) => tf.mul(x, tf.sigmoid(x)));

/**
 * Layer normalisation over the last axis: (x - mean) / sqrt(var + eps) * weight + bias, var biased.
 *
 * @param x - [..., D]
 * @param weight - [D], or null for 1
 * @param bias - [D], or null for 0
 * @returns [..., D]
 */
export function layerNorm(x: Tensor, weight: Tensor | null, bias: Tensor | null, eps: number = 1e-5): Tensor {
  return fusedLayerNorm(affine('layerNorm', x, weight, bias), { eps });
}

const fusedLayerNorm = defineFused('layerNorm', ({ x, weight, bias }, { eps }) => {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  return scaleAndShift(normalise(centred, eps), weight, bias);
});

/**
 * Root-mean-square normalisation over the last axis: x / sqrt(mean(x²) + eps) * weight.
 *
 * @param x - [..., D]
 * @param weight - [D], or null for 1
 * @returns [..., D]
 */
export function rmsNorm(x: Tensor, weight: Tensor | null, eps: number = 1e-6): Tensor {
  return fusedRmsNorm(affine('rmsNorm', x, weight, null), { eps });
}

const fusedRmsNorm = defineFused('rmsNorm', ({ x, weight }, { eps }) => scaleAndShift(normalise(x, eps), weight));

/**
 * Adaptive modulation: x * (1 + scale) + shift.
 *
 * @param x - [..., D]
 * @param shift - broadcastable to x, for example [B, 1, D] for [B, L, D], or [B, F, 1, D] for [B, F, L, D]
 * @param scale - as shift
 * @returns the shape of x
 */
export function modulate(x: Tensor, shift: Tensor, scale: Tensor): Tensor {
  expectBroadcastable('shift', shift, x);
  expectBroadcastable('scale', scale, x);
  return fusedModulate({ x, shift, scale }, {});
}

const fusedModulate = defineFused('modulate', ({ x, shift, scale }) => tf.add(tf.mul(x, tf.add(scale, 1)), shift));

interface Affine {
  x: Tensor;
  weight?: Tensor;
  bias?: Tensor;
}

function affine(operation: string, x: Tensor, weight: Tensor | null, bias: Tensor | null): Affine {
  expectRank(operation, 'x', x, 1);
  if (weight) expectShape(operation, 'weight', weight, [lastAxis(x)]);
  if (bias) expectShape(operation, 'bias', bias, [lastAxis(x)]);
  return { x, ...(weight && { weight }), ...(bias && { bias }) };
}

/** x / sqrt(mean(x²) + eps) over the last axis. */
function normalise(x: Tensor, eps: number): Tensor {
  return tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), eps)));
}

function scaleAndShift(x: Tensor, weight?: Tensor, bias?: Tensor): Tensor {
  const scaled = weight ? tf.mul(x, weight) : x;
  return bias ? tf.add(scaled, bias) : scaled;
}

function expectBroadcastable(argument: string, tensor: Tensor, x: Tensor): void {
  const offset = x.shape.length - tensor.shape.length;
  const fits = offset >= 0 && tensor.shape.every((size, axis) => size === 1 || size === x.shape[axis + offset]);
  if (fits) return;
  throw new Error(`modulate: ${argument} has shape [${tensor.shape}], wanted one that broadcasts to x [${x.shape}]`);
}

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
      `softmaxCrossEntropy: labels are ${labels.dtype}, wanted int32; cast them with tf.cast(labels, 'int32')`,
    );
  }
  const picked = tf.mul(tf.logSoftmax(logits), tf.oneHot(labels as Tensor1D, classes));
  return tf.neg(tf.sum(picked, -1));
}
