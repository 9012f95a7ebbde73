/**
 * Convolutions on channels-last data with weights [Out, In/groups, kT, kH, kW]: the blocked kernels where they
 * suit, else ONNX's Conv, which wants channels first.
 *
 * - dx: the convolution of dy by the mirrored weights where all strides are 1, else ConvTranspose
 * - dW: gradient.ts
 */
import type { GraphBuilder, Value } from '../../graph/index.ts';
import type { ConvWindow } from '../../ops/index.ts';
import { asRows, columnSums } from '../axes.ts';
import type { FusedKernel } from '../kernel.ts';
import { blockedConvolution, suitsBlocks } from './blocked.ts';
import {
  type ConvInputs,
  type Geometry,
  geometryOf,
  isFlat,
  isUnitStride,
  mirrored,
  remainder,
  triple,
} from './geometry.ts';
import { weightGradient } from './gradient.ts';

/** A list over frames, height and width without the frame axis when the convolution is 2-D. */
function spatial(geometry: Geometry, values: readonly number[]): number[] {
  return isFlat(geometry) ? values.slice(1) : values.slice();
}

/** [B, F, H, W, C] -> [B, C, F, H, W], or [B, C, H, W] when flat. */
function channelsFirst(g: GraphBuilder, x: Value, geometry: Geometry): Value {
  const [batch, , height, width, channels] = x.shape as [number, number, number, number, number];
  if (!isFlat(geometry)) return g.transpose(x, [0, 4, 1, 2, 3]);
  return g.transpose(g.reshape(x, [batch, height, width, channels]), [0, 3, 1, 2]);
}

/** The way back, to `shape`. */
function channelsLast(g: GraphBuilder, y: Value, shape: number[], geometry: Geometry): Value {
  return g.reshape(g.transpose(y, isFlat(geometry) ? [0, 2, 3, 1] : [0, 2, 3, 4, 1]), shape);
}

/** The weight without its frame axis when flat. */
function taps(g: GraphBuilder, weight: Value, geometry: Geometry): Value {
  return g.reshape(weight, [weight.shape[0]!, weight.shape[1]!, ...spatial(geometry, weight.shape.slice(2))]);
}

/** Attributes of ONNX's convolutions. */
interface WindowAttributes {
  readonly strides: number[];
  readonly dilations: number[];
  readonly pads: number[];
  readonly group: number;
}

function windowOf(geometry: Geometry): WindowAttributes {
  return {
    strides: spatial(geometry, geometry.stride),
    dilations: spatial(geometry, geometry.dilation),
    pads: [...spatial(geometry, geometry.before), ...spatial(geometry, geometry.after)],
    group: geometry.groups,
  };
}

/** y [B, F', H', W', Out] */
export function convolution(inputs: ConvInputs, geometry: Geometry, g: GraphBuilder): Value {
  if (suitsBlocks(geometry, g)) return blockedConvolution(inputs, geometry, g);
  const { x, weight, bias } = inputs;
  const shape = [geometry.batch, geometry.outputs, ...spatial(geometry, geometry.result)];
  const operands = [channelsFirst(g, x, geometry), taps(g, weight, geometry), ...(bias ? [bias] : [])];
  const y = g.node('Conv', operands, windowOf(geometry), shape, 'float32');
  return channelsLast(g, y, [geometry.batch, ...geometry.result, geometry.outputs], geometry);
}

/** dx [B, F, H, W, In] from dy [B, F', H', W', Out]. */
export function inputGradient(weight: Value, dy: Value, geometry: Geometry, g: GraphBuilder): Value {
  if (geometry.groups === 1 && isUnitStride(geometry)) {
    const axes = [2, 3, 4];
    const mirror = g.reverse(g.transpose(weight, [1, 0, ...axes]), axes); // [Out, In, ...k] -> [In, Out, ...k]
    return convolution({ x: dy, weight: mirror }, mirrored(geometry), g);
  }
  const shape = [geometry.batch, geometry.inputs, ...spatial(geometry, geometry.size)];
  const operands = [channelsFirst(g, dy, geometry), taps(g, weight, geometry)];
  const attributes = { ...windowOf(geometry), output_padding: spatial(geometry, remainder(geometry)) };
  const dx = g.node('ConvTranspose', operands, attributes, shape, 'float32');
  return channelsLast(g, dx, [geometry.batch, ...geometry.size, geometry.inputs], geometry);
}

/** The geometry of the fused operation. */
function fusedGeometry({ x, weight }: ConvInputs, { stride, padding, dilation, groups }: ConvWindow): Geometry {
  const before = triple((i) => padding[i]![0]);
  const after = triple((i) => padding[i]![1]);
  return geometryOf(x.shape, weight.shape, { stride, dilation: [1, dilation, dilation], before, after, groups });
}

/** The kernels behind `conv2d` and `conv3d`. */
export const fusedConv: FusedKernel<'conv'> = {
  forward: (operands, window, g) => convolution(operands, fusedGeometry(operands, window), g),
  gradient: (operands, window, g) => {
    const { x, weight, bias, dy } = operands;
    const geometry = fusedGeometry(operands, window);
    const gradients = [inputGradient(weight, dy, geometry, g), weightGradient(x, dy, geometry, g)];
    return bias ? [...gradients, columnSums(g, asRows(g, dy))] : gradients;
  },
};
