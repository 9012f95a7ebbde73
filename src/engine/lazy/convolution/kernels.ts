/**
 * TensorFlow.js's own convolutions, of data [B, H, W, C] by filters [kH, kW, In, Out] and of [B, F, H, W, C] by
 * [kT, kH, kW, In, Out], on the convolutions of this engine.
 */
import type { backend_util } from '@tensorflow/tfjs';
import type { GraphBuilder, Value } from '../../graph/index.ts';
import { tf } from '../../tf.ts';
import type { Kernels } from '../kernel.ts';
import { convolution, inputGradient, weightGradient } from './convolution.ts';
import { type Geometry, geometryOf, type Triple } from './geometry.ts';

/** Attributes of TensorFlow.js's convolutions; those of three axes know no more than strides and pad. */
export interface ConvAttributes {
  strides: number | number[];
  pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  dataFormat?: string;
  dilations?: [number, number] | number | null;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

export interface Data {
  x: Value;
  filter: Value;
}

type Shape4 = [number, number, number, number];
type Shape5 = [number, number, number, number, number];

/** Filters of a shape, their axes in our order, and the shape of ours: [Out, In/groups, kT, kH, kW]. */
interface Filters {
  readonly given: readonly number[];
  readonly order: readonly number[];
  readonly shape: number[];
}

function filtersOf(given: readonly number[], isDepthwise: boolean): Filters {
  if (given.length === 5) {
    const [frames, rows, columns, into, out] = given as Shape5;
    return { given, order: [4, 3, 0, 1, 2], shape: [out, into, frames, rows, columns] };
  }
  const [rows, columns, into, out] = given as Shape4;
  // depthwise, the last axis counts the results of each channel, and there are as many groups as channels
  if (isDepthwise) return { given, order: [2, 3, 0, 1], shape: [into * out, 1, 1, rows, columns] };
  return { given, order: [3, 2, 0, 1], shape: [out, into, 1, rows, columns] };
}

function toWeight(filter: Value, { order, shape }: Filters, g: GraphBuilder): Value {
  return g.reshape(g.transpose(filter, order), shape);
}

function toFilter(weight: Value, { given, order }: Filters, g: GraphBuilder): Value {
  const ordered = order.map((axis) => given[axis]!);
  const back = order.map((_, axis) => order.indexOf(axis));
  return g.transpose(g.reshape(weight, ordered), back);
}

/** Explicit padding goes by axis, in the order of the data. */
function padOf({ pad, dataFormat }: ConvAttributes): ConvAttributes['pad'] {
  if (!Array.isArray(pad) || dataFormat !== 'NCHW') return pad;
  const [batch, channels, rows, columns] = pad;
  return [batch, rows, columns, channels];
}

/** Data [B, H, W, C], [B, C, H, W] or [B, F, H, W, C] as [B, F, H, W, C]. */
function asClip(x: Value, { dataFormat }: ConvAttributes, g: GraphBuilder): Value {
  if (x.shape.length === 5) return x;
  const last = dataFormat === 'NCHW' ? g.transpose(x, [0, 2, 3, 1]) : x;
  return g.reshape(last, [last.shape[0]!, 1, ...last.shape.slice(1)]);
}

/** The way back, to data of `rank` axes in the order given. */
function asGiven(y: Value, rank: number, { dataFormat }: ConvAttributes, g: GraphBuilder): Value {
  if (rank === 5) return y;
  const image = g.reshape(y, [y.shape[0]!, ...y.shape.slice(2)]); // [B, 1, H, W, C] -> [B, H, W, C]
  return dataFormat === 'NCHW' ? g.transpose(image, [0, 3, 1, 2]) : image;
}

function lastShape(shape: readonly number[], { dataFormat }: ConvAttributes): readonly number[] {
  return dataFormat === 'NCHW' ? [shape[0]!, ...shape.slice(2), shape[1]!] : shape;
}

/** The walk over data of a shape with channels last, 4 or 5 axes. */
function geometryFor(x: readonly number[], filters: Filters, attrs: ConvAttributes, isDepthwise: boolean): Geometry {
  const { given, shape } = filters;
  if (x.length === 5) {
    const [size, window, strides] = [x as Shape5, given as Shape5, attrs.strides as [number, number, number]];
    const { padInfo, ...info } = tf.backend_util.computeConv3DInfo(size, window, strides, 1, attrs.pad as 'same');
    return geometryOf(x, shape, {
      stride: [info.strideDepth, info.strideHeight, info.strideWidth],
      dilation: [1, 1, 1],
      groups: 1,
      before: [padInfo.front, padInfo.top, padInfo.left],
      after: [padInfo.back, padInfo.bottom, padInfo.right],
    });
  }
  const [size, window, strides] = [x as Shape4, given as Shape4, attrs.strides as [number, number]];
  const { dilations, dimRoundingMode } = attrs;
  const { computeConv2DInfo } = tf.backend_util;
  const info = computeConv2DInfo(size, window, strides, dilations ?? 1, padOf(attrs), dimRoundingMode, isDepthwise);
  const { top, bottom, left, right } = info.padInfo;
  return geometryOf([x[0]!, 1, ...x.slice(1)], shape, {
    stride: [1, info.strideHeight, info.strideWidth],
    dilation: [1, info.dilationHeight, info.dilationWidth],
    before: [0, top, left] as Triple,
    after: [0, bottom, right] as Triple,
    groups: isDepthwise ? x[3]! : x[3]! / window[2],
  });
}

export function convolved({ x, filter }: Data, attrs: ConvAttributes, isDepthwise: boolean, g: GraphBuilder): Value {
  const filters = filtersOf(filter.shape, isDepthwise);
  const geometry = geometryFor(lastShape(x.shape, attrs), filters, attrs, isDepthwise);
  const y = convolution({ x: asClip(x, attrs, g), weight: toWeight(filter, filters, g) }, geometry, g);
  return asGiven(y, x.shape.length, attrs, g);
}

/** The three kernels of a convolution: its result, and the gradients of data and filter. */
function kernelsOf([forward, ofInput, ofFilter]: readonly [string, string, string], isDepthwise: boolean): Kernels {
  return {
    [forward]: (inputs: Data, attrs: ConvAttributes, g) => convolved(inputs, attrs, isDepthwise, g),
    [ofInput]: (inputs: { dy: Value; filter: Value }, attrs: ConvAttributes & { inputShape: number[] }, g) => {
      const { dy, filter } = inputs;
      const filters = filtersOf(filter.shape, isDepthwise);
      const geometry = geometryFor(lastShape(attrs.inputShape, attrs), filters, attrs, isDepthwise);
      const dx = inputGradient(toWeight(filter, filters, g), asClip(dy, attrs, g), geometry, g);
      return asGiven(dx, dy.shape.length, attrs, g);
    },
    [ofFilter]: ({ x, dy }: { x: Value; dy: Value }, attrs: ConvAttributes & { filterShape: number[] }, g) => {
      const filters = filtersOf(attrs.filterShape, isDepthwise);
      const geometry = geometryFor(lastShape(x.shape, attrs), filters, attrs, isDepthwise);
      return toFilter(weightGradient(asClip(x, attrs, g), asClip(dy, attrs, g), geometry, g), filters, g);
    },
  };
}

const depthwise = 'DepthwiseConv2dNative';

export const convKernels: Kernels = {
  ...kernelsOf(['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter'], false),
  ...kernelsOf([depthwise, `${depthwise}BackpropInput`, `${depthwise}BackpropFilter`], true),
  ...kernelsOf(['Conv3D', 'Conv3DBackpropInputV2', 'Conv3DBackpropFilterV2'], false),
};
