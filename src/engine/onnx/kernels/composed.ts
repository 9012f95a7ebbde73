/** TensorFlow.js's own fused kernels: a product or convolution with a bias and an activation after it. */
import type { GraphBuilder } from '../builder.ts';
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';
import { type Attributes2d, convolution2d } from './conv.ts';
import { type MatMulAttributes, product } from './matmul.ts';

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
      return g.map('LeakyRelu', y, { alpha: attrs.leakyreluAlpha ?? 0.2 });
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

export const composedKernels: readonly KernelDefinition[] = [
  fusedMatMul,
  fusedConv('FusedConv2D', false),
  fusedConv('FusedDepthwiseConv2D', true),
];
