/** TensorFlow.js's own convolutions (data [B, H, W, C], filters [kH, kW, In, Out]) on the convolutions of this engine. */
import type { backend_util } from '@tensorflow/tfjs';
import type { GraphBuilder, Value } from '../../graph/index.ts';
import { tf } from '../../tf.ts';
import { defineKernel, type KernelDefinition } from '../kernel.ts';
import { convolution, inputGradient } from './convolution.ts';
import { type Geometry, geometryOf, type Triple } from './geometry.ts';
import { weightGradient } from './gradient.ts';

/** Attributes of TensorFlow.js's 2-D convolutions. */
export interface Attributes2d {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  dataFormat?: 'NHWC' | 'NCHW';
  dilations?: [number, number] | number | null;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

interface Attributes3d {
  strides: [number, number, number] | number;
  pad: 'valid' | 'same';
}

type Shape4 = [number, number, number, number];
type Shape5 = [number, number, number, number, number];

/** Filters on one side, with the shape of ours: [Out, In/groups, kT, kH, kW]. */
interface Filters {
  readonly shape: readonly number[];
  /** From TensorFlow.js's layout to ours. */
  into(filter: Value, g: GraphBuilder): Value;
  /** The way back. */
  back(weight: Value, g: GraphBuilder): Value;
}

/** [kH, kW, In, Out] */
function dense2d([rows, columns, into, out]: Shape4): Filters {
  return {
    shape: [out, into, 1, rows, columns],
    into: (filter, g) => g.reshape(g.transpose(filter, [3, 2, 0, 1]), [out, into, 1, rows, columns]),
    back: (weight, g) => g.transpose(g.reshape(weight, [out, into, rows, columns]), [2, 3, 1, 0]),
  };
}

/** [kH, kW, In, Multiplier]: as many groups as channels. */
function depthwise2d([rows, columns, into, each]: Shape4): Filters {
  const out = into * each;
  return {
    shape: [out, 1, 1, rows, columns],
    into: (filter, g) => g.reshape(g.transpose(filter, [2, 3, 0, 1]), [out, 1, 1, rows, columns]),
    back: (weight, g) => g.transpose(g.reshape(weight, [into, each, rows, columns]), [2, 3, 0, 1]),
  };
}

/** [kT, kH, kW, In, Out] */
function dense3d([frames, rows, columns, into, out]: Shape5): Filters {
  return {
    shape: [out, into, frames, rows, columns],
    into: (filter, g) => g.transpose(filter, [4, 3, 0, 1, 2]),
    back: (weight, g) => g.transpose(weight, [2, 3, 4, 1, 0]),
  };
}

/** Explicit padding goes by axis, in the order of the data. */
function padOf({ pad, dataFormat }: Attributes2d): Attributes2d['pad'] {
  if (!Array.isArray(pad) || dataFormat !== 'NCHW') return pad;
  const [batch, channels, rows, columns] = pad;
  return [batch, rows, columns, channels];
}

/** [B, C, H, W] -> [B, H, W, C] where the data are in that order. */
function channelsLast(x: Value, { dataFormat }: Attributes2d, g: GraphBuilder): Value {
  return dataFormat === 'NCHW' ? g.transpose(x, [0, 2, 3, 1]) : x;
}

/** [B, H, W, C] -> the order of the data. */
function asGiven(y: Value, { dataFormat }: Attributes2d, g: GraphBuilder): Value {
  return dataFormat === 'NCHW' ? g.transpose(y, [0, 3, 1, 2]) : y;
}

function lastShape([b, c, h, w]: Shape4, { dataFormat }: Attributes2d): Shape4 {
  return dataFormat === 'NCHW' ? [b, h, w, c] : [b, c, h, w];
}

function geometry2d(x: Shape4, filter: Shape4, attrs: Attributes2d, isDepthwise: boolean): [Geometry, Filters] {
  const { strides, dilations, dimRoundingMode } = attrs;
  const { computeConv2DInfo } = tf.backend_util;
  const info = computeConv2DInfo(x, filter, strides, dilations ?? 1, padOf(attrs), dimRoundingMode, isDepthwise);
  const { top, bottom, left, right } = info.padInfo;
  const filters = isDepthwise ? depthwise2d(filter) : dense2d(filter);
  const geometry = geometryOf([x[0], 1, ...x.slice(1)], filters.shape, {
    stride: [1, info.strideHeight, info.strideWidth],
    dilation: [1, info.dilationHeight, info.dilationWidth],
    before: [0, top, left],
    after: [0, bottom, right],
    groups: isDepthwise ? x[3] : x[3] / filter[2],
  });
  return [geometry, filters];
}

function geometry3d(x: Shape5, filter: Shape5, { strides, pad }: Attributes3d): [Geometry, Filters] {
  const { padInfo, ...info } = tf.backend_util.computeConv3DInfo(x, filter, strides, 1, pad);
  const filters = dense3d(filter);
  const geometry = geometryOf(x, filters.shape, {
    stride: [info.strideDepth, info.strideHeight, info.strideWidth],
    dilation: [1, 1, 1],
    before: [padInfo.front, padInfo.top, padInfo.left],
    after: [padInfo.back, padInfo.bottom, padInfo.right],
    groups: 1,
  });
  return [geometry, filters];
}

/** [B, H, W, C] -> [B, 1, H, W, C]; five axes stay. */
function clip(x: Value, g: GraphBuilder): Value {
  return x.shape.length === 5 ? x : g.reshape(x, [x.shape[0]!, 1, ...x.shape.slice(1)]);
}

function withoutFrames(y: Value, g: GraphBuilder): Value {
  return g.reshape(y, [y.shape[0]!, ...y.shape.slice(2)]); // [B, 1, H, W, C] -> [B, H, W, C]
}

interface Data {
  x: Value;
  filter: Value;
}
interface FromResult {
  dy: Value;
  filter: Value;
}
interface FromBoth {
  x: Value;
  dy: Value;
}

/** A 2-D convolution as TensorFlow.js asks for it. */
export function convolution2d(
  { x: given, filter }: Data,
  attrs: Attributes2d,
  isDepthwise: boolean,
  g: GraphBuilder,
): Value {
  const x = channelsLast(given, attrs, g);
  const [geometry, filters] = geometry2d(x.shape as Shape4, filter.shape as Shape4, attrs, isDepthwise);
  const y = withoutFrames(convolution({ x: clip(x, g), weight: filters.into(filter, g) }, geometry, g), g);
  return asGiven(y, attrs, g);
}

/** The three kernels of a 2-D convolution. */
function kernels2d(names: readonly [string, string, string], isDepthwise: boolean): KernelDefinition[] {
  return [
    defineKernel<Data, Attributes2d>(names[0], ({ inputs, attrs }, g) => convolution2d(inputs, attrs, isDepthwise, g)),
    defineKernel<FromResult, Attributes2d & { inputShape: Shape4 }>(names[1], ({ inputs, attrs }, g) => {
      const shape = lastShape(attrs.inputShape, attrs);
      const [geometry, filters] = geometry2d(shape, inputs.filter.shape as Shape4, attrs, isDepthwise);
      const dy = clip(channelsLast(inputs.dy, attrs, g), g);
      return asGiven(withoutFrames(inputGradient(filters.into(inputs.filter, g), dy, geometry, g), g), attrs, g);
    }),
    defineKernel<FromBoth, Attributes2d & { filterShape: Shape4 }>(names[2], ({ inputs, attrs }, g) => {
      const x = channelsLast(inputs.x, attrs, g);
      const dy = channelsLast(inputs.dy, attrs, g);
      const [geometry, filters] = geometry2d(x.shape as Shape4, attrs.filterShape, attrs, isDepthwise);
      return filters.back(weightGradient(clip(x, g), clip(dy, g), geometry, g), g);
    }),
  ];
}

const kernels3d: readonly KernelDefinition[] = [
  defineKernel<Data, Attributes3d & { dilations?: Triple }>('Conv3D', ({ inputs: { x, filter }, attrs }, g) => {
    const [geometry, filters] = geometry3d(x.shape as Shape5, filter.shape as Shape5, attrs);
    return convolution({ x, weight: filters.into(filter, g) }, geometry, g);
  }),
  defineKernel<FromResult, Attributes3d & { inputShape: Shape5 }>(
    'Conv3DBackpropInputV2',
    ({ inputs: { dy, filter }, attrs }, g) => {
      const [geometry, filters] = geometry3d(attrs.inputShape, filter.shape as Shape5, attrs);
      return inputGradient(filters.into(filter, g), dy, geometry, g);
    },
  ),
  defineKernel<FromBoth, Attributes3d & { filterShape: Shape5 }>(
    'Conv3DBackpropFilterV2',
    ({ inputs: { x, dy }, attrs }, g) => {
      const [geometry, filters] = geometry3d(x.shape as Shape5, attrs.filterShape, attrs);
      return filters.back(weightGradient(x, dy, geometry, g), g);
    },
  ),
];

const depthwiseNames = [
  'DepthwiseConv2dNative',
  'DepthwiseConv2dNativeBackpropInput',
  'DepthwiseConv2dNativeBackpropFilter',
] as const;

export const convKernels: readonly KernelDefinition[] = [
  ...kernels2d(['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter'], false),
  ...kernels2d(depthwiseNames, true),
  ...kernels3d,
];
