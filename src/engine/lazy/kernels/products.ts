/** Matrix products, normalisations, and TensorFlow.js's own fused kernels: a bias and an activation after a product. */
import type { GraphBuilder, Value } from '../../graph/index.ts';
import { tf } from '../../tf.ts';
import { type ConvAttributes, convolved, type Data } from '../convolution/kernels.ts';
import type { Kernel, Kernels } from '../kernel.ts';

interface AB {
  a: Value;
  b: Value;
}

/** Which operands are transposed. */
interface MatMulAttributes {
  transposeA: boolean;
  transposeB: boolean;
}

function swapLast(x: Value, g: GraphBuilder): Value {
  const axes = x.shape.map((_, i) => i);
  const rank = axes.length;
  return g.transpose(x, [...axes.slice(0, -2), rank - 1, rank - 2]);
}

/** op(a) op(b) over the last two axes [.., M, K] [.., K, N] -> [.., M, N], batch axes broadcasting. */
function product({ a, b }: AB, { transposeA: transA, transposeB: transB }: MatMulAttributes, g: GraphBuilder): Value {
  const left = a.shape.at(transA ? -2 : -1);
  const right = b.shape.at(transB ? -1 : -2);
  if (left !== right) {
    throw new Error(`matMul: inner dimensions ${left} and ${right} differ for shapes [${a.shape}] and [${b.shape}]`);
  }
  if (a.dtype !== 'float32') return g.matmul(transA ? swapLast(a, g) : a, transB ? swapLast(b, g) : b);
  const isPlain = a.shape.length === 2 && b.shape.length === 2 && (transA || transB);
  return isPlain ? g.gemm(a, b, null, { transA, transB }) : g.matmul(a, b, { transA, transB });
}

interface BatchNormInputs {
  x: Value;
  mean: Value;
  variance: Value;
  scale?: Value;
  offset?: Value;
}

interface Rest {
  bias?: Value;
  preluActivationWeights?: Value;
}

interface Activation {
  activation?: 'linear' | 'relu' | 'relu6' | 'elu' | 'sigmoid' | 'prelu' | 'leakyrelu';
  leakyreluAlpha?: number;
}

/** Bias and activation on the result of an operation; `channelsFirst` where its second axis holds the channels. */
function finish(given: Value, rest: Rest, attrs: Activation, channelsFirst: boolean, g: GraphBuilder): Value {
  const { bias, preluActivationWeights: slopes } = rest;
  const y = bias ? g.add(given, perChannel(bias, channelsFirst, g)) : given;
  switch (attrs.activation ?? 'linear') {
    case 'linear':
      return y;
    case 'relu':
      return g.map('Relu', y);
    case 'relu6':
      return g.node('Clip', [y, g.scalar(0), g.scalar(6)], null, y.shape, 'float32');
    case 'elu':
      return g.map('Elu', y);
    case 'sigmoid':
      return g.map('Sigmoid', y);
    case 'leakyrelu':
      return g.node('LeakyRelu', [y], { alpha: attrs.leakyreluAlpha ?? 0.2 }, y.shape, 'float32');
    case 'prelu':
      if (!slopes) throw new Error('a fused operation with activation prelu needs preluActivationWeights');
      return g.where(g.compare('Less', y, 0), g.mul(y, perChannel(slopes, channelsFirst, g)), y);
  }
}

/** [C] as [C, 1, 1] where channels come before height and width; other shapes broadcast as they are. */
function perChannel(x: Value, channelsFirst: boolean, g: GraphBuilder): Value {
  return channelsFirst && x.shape.length === 1 ? g.reshape(x, [x.shape[0]!, 1, 1]) : x;
}

function fusedConv(isDepthwise: boolean): Kernel {
  return (inputs: Rest & Data, attrs: Activation & ConvAttributes, g) =>
    finish(convolved(inputs, attrs, isDepthwise, g), inputs, attrs, attrs.dataFormat === 'NCHW', g);
}

export const productKernels: Kernels = {
  BatchMatMul: product,
  /** Sums products over the letters that the result leaves out, as in 'bij,bjk->bik'. */
  Einsum: (inputs: Value[], attrs: { equation: string }, g) => {
    const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(attrs.equation, inputs.length);
    tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, inputs as never);
    const kept = allDims.slice(0, allDims.length - summedDims.length);
    const shape = kept.map((_, dim) => {
      const operand = idDims.findIndex((dims) => dims.includes(dim));
      return inputs[operand]!.shape[idDims[operand]!.indexOf(dim)]!;
    });
    const equation = attrs.equation.replace(/\s/g, '');
    return g.node('Einsum', inputs, { equation }, shape, inputs[0]!.dtype);
  },
  /** exp(x) / sum exp(x) over the last axis. */
  Softmax: ({ logits }: { logits: Value }, { dim }: { dim: number }, g) =>
    g.node('Softmax', [g.cast(logits, 'float32')], { axis: dim }, logits.shape, 'float32'),
  /** (x - mean) / sqrt(variance + epsilon) * scale + offset, over the last axis. */
  FusedBatchNorm: ({ x, mean, variance, scale, offset }: BatchNormInputs, attrs: { varianceEpsilon?: number }, g) => {
    const normal = g.div(g.sub(x, mean), g.map('Sqrt', g.add(variance, attrs.varianceEpsilon ?? 0.001)));
    const scaled = scale ? g.mul(normal, scale) : normal;
    return offset ? g.add(scaled, offset) : scaled;
  },
  _FusedMatMul: (inputs: Rest & AB, attrs: Activation & MatMulAttributes, g) =>
    finish(product(inputs, attrs, g), inputs, attrs, false, g),
  FusedConv2D: fusedConv(false),
  FusedDepthwiseConv2D: fusedConv(true),
};
