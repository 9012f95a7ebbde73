/**
 * Convolutions on channels-last data with weights [Out, In/groups, kT, kH, kW]: the blocked kernels where they
 * suit, else ONNX's Conv, which wants channels first.
 *
 * - dx: the convolution of dy by the mirrored weights where all strides are 1, else ConvTranspose
 * - dW[o, i, t, h, w] = Σ dy[m, o] x[m moved by (t, h, w), i]: each tap pairs the rows of dy with other rows of x, a slice
 *   of the padded input, in one product dyᵀ x
 */
import type { GraphBuilder, Value } from '../../graph/index.ts';
import type { ConvWindow } from '../../ops/index.ts';
import { asRows, columnSums } from '../axes.ts';
import type { FusedKernel } from '../kernel.ts';
import { blockedConvolution, suitsBlocks } from './blocked.ts';
import {
  type ConvInputs,
  channelsFirst,
  channelsLast,
  type Geometry,
  geometryOf,
  mirrored,
  padsOf,
  remainder,
  spatial,
  tapsOf,
  triple,
  withPadding,
} from './geometry.ts';

/** The weight without its frame axis when flat. */
function taps(g: GraphBuilder, weight: Value, geometry: Geometry): Value {
  return g.reshape(weight, [weight.shape[0]!, weight.shape[1]!, ...spatial(geometry, weight.shape.slice(2))]);
}

function windowOf(geometry: Geometry) {
  const strides = spatial(geometry, geometry.stride);
  const dilations = spatial(geometry, geometry.dilation);
  return { strides, dilations, pads: padsOf(geometry), group: geometry.groups };
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
  if (geometry.groups === 1 && geometry.stride.every((step) => step === 1)) {
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

/** dW [Out, In/groups, kT, kH, kW] from x [B, F, H, W, In] and dy [B, F', H', W', Out]. */
export function weightGradient(x: Value, dy: Value, geometry: Geometry, g: GraphBuilder): Value {
  const { groups, inputs, outputs } = geometry;
  const clip = withPadding(x, geometry, g);
  if (groups === 1) return denseGradient(clip, dy, geometry, g);
  const part = { ...geometry, groups: 1, inputs: inputs / groups, outputs: outputs / groups };
  const results = g.split(dy, groups, 4);
  const perGroup = g.split(clip, groups, 4).map((channels, i) => denseGradient(channels, results[i]!, part, g));
  return g.concat(perGroup, 0);
}

/** Below so many channels a product is too thin: the taps of a kernel row then lie side by side as channels. */
const thin = 16;

/** One product [Out, M] [M, In] for each tap, or for each row of the kernel. */
function denseGradient(clip: Value, dy: Value, geometry: Geometry, g: GraphBuilder): Value {
  const { batch, inputs, outputs, kernel, stride, result } = geometry;
  const [frames, rows, columns] = kernel;
  const isThin = inputs < thin && columns > 1;
  const data = isThin ? rowWindows(clip, geometry, g) : clip;
  const steps = isThin ? ([stride[0], stride[1], 1] as const) : stride; // the windows have one column for each result
  const walk: Geometry = { ...geometry, stride: steps, kernel: isThin ? [frames, rows, 1] : kernel };
  const shape = [batch, ...result, isThin ? columns * inputs : inputs];
  const products = tapsOf(walk).map(({ starts, ends }) => {
    const met = g.steps(data, { starts, ends, axes: [1, 2, 3], steps }, shape);
    return g.gemm(asRows(g, dy), asRows(g, met), null, { transA: true });
  });
  const all = g.reshape(g.concat(products, 1), [outputs, frames * rows * columns, inputs]);
  return g.reshape(g.transpose(all, [0, 2, 1]), [outputs, inputs, ...kernel]); // [Out, taps, In] -> [Out, In, kT, kH, kW]
}

/** The kW cells that each result column meets side by side: [B, F, H, W', kW*In]. */
function rowWindows(clip: Value, { kernel, dilation, stride, result }: Geometry, g: GraphBuilder): Value {
  const shape = clip.shape.map((size, axis) => (axis === 3 ? result[2] : size));
  const columns = Array.from({ length: kernel[2] }, (_, tap) => {
    const start = tap * dilation[2];
    const end = start + (result[2] - 1) * stride[2] + 1;
    return g.steps(clip, { starts: [start], ends: [end], axes: [3], steps: [stride[2]] }, shape);
  });
  return g.concat(columns, 4);
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
