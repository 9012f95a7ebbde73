/** Matrix products, normalisations, and TensorFlow.js's own fused kernels: a bias and an activation after a product. */
import type { GraphBuilder, Value } from '../../graph/index.ts';
import { tf } from '../../tf.ts';
import { type Attributes2d, convolution2d } from '../convolution/index.ts';
import { defineKernel, type KernelDefinition } from '../kernel.ts';

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

function checkInner(a: Value, b: Value, transA: boolean, transB: boolean): void {
  const left = a.shape.at(transA ? -2 : -1);
  const right = b.shape.at(transB ? -1 : -2);
  if (left === right) return;
  throw new Error(`matMul: inner dimensions ${left} and ${right} differ for shapes [${a.shape}] and [${b.shape}]`);
}

/** op(a) op(b) over the last two axes [.., M, K] [.., K, N] -> [.., M, N], batch axes broadcasting. */
function product({ a, b }: { a: Value; b: Value }, attrs: MatMulAttributes, g: GraphBuilder): Value {
  const { transposeA: transA, transposeB: transB } = attrs;
  checkInner(a, b, transA, transB);
  if (a.dtype !== 'float32') return g.matmul(transA ? swapLast(a, g) : a, transB ? swapLast(b, g) : b);
  const isPlain = a.shape.length === 2 && b.shape.length === 2 && (transA || transB);
  return isPlain ? g.gemm(a, b, null, { transA, transB }) : g.matmul(a, b, { transA, transB });
}

const batchMatMul = defineKernel<{ a: Value; b: Value }, MatMulAttributes>('BatchMatMul', ({ inputs, attrs }, g) =>
  product(inputs, attrs, g),
);

/** Sums products over the letters that the result leaves out, as in 'bij,bjk->bik'. */
const einsum = defineKernel<Value[], { equation: string }>('Einsum', ({ inputs, attrs }, g) => {
  const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(attrs.equation, inputs.length);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, inputs as never);
  const kept = allDims.slice(0, allDims.length - summedDims.length);
  const shape = kept.map((_, dim) => {
    const operand = idDims.findIndex((dims) => dims.includes(dim));
    return inputs[operand]!.shape[idDims[operand]!.indexOf(dim)]!;
  });
  const equation = attrs.equation.replace(/\s/g, '');
  return g.node('Einsum', inputs, { equation }, shape, inputs[0]!.dtype);
});

/** exp(x) / sum exp(x) over the last axis. */
const softmax = defineKernel<{ logits: Value }, { dim: number }>('Softmax', ({ inputs: { logits }, attrs }, g) =>
  g.node('Softmax', [g.cast(logits, 'float32')], { axis: attrs.dim }, logits.shape, 'float32'),
);

interface BatchNormInputs {
  x: Value;
  mean: Value;
  variance: Value;
  scale?: Value;
  offset?: Value;
}

/** (x - mean) / sqrt(variance + epsilon) * scale + offset, over the last axis. */
const batchNorm = defineKernel<BatchNormInputs, { varianceEpsilon?: number }>('FusedBatchNorm', (call, g) => {
  const { x, mean, variance, scale, offset } = call.inputs;
  const deviation = g.map('Sqrt', g.add(variance, call.attrs.varianceEpsilon ?? 0.001));
  const normal = g.div(g.sub(x, mean), deviation);
  const scaled = scale ? g.mul(normal, scale) : normal;
  return offset ? g.add(scaled, offset) : scaled;
});

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

const fusedMatMul = defineKernel<Rest & { a: Value; b: Value }, Activation & MatMulAttributes>(
  '_FusedMatMul',
  ({ inputs, attrs }, g) => finish(product(inputs, attrs, g), inputs, attrs, false, g),
);

function fusedConv(name: string, isDepthwise: boolean): KernelDefinition {
  return defineKernel<Rest & { x: Value; filter: Value }, Activation & Attributes2d>(name, ({ inputs, attrs }, g) => {
    const y = convolution2d(inputs, attrs, isDepthwise, g);
    return finish(y, inputs, attrs, attrs.dataFormat === 'NCHW', g);
  });
}

export const productKernels: readonly KernelDefinition[] = [
  batchMatMul,
  einsum,
  softmax,
  batchNorm,
  fusedMatMul,
  fusedConv('FusedConv2D', false),
  fusedConv('FusedDepthwiseConv2D', true),
];
