/**
 * Pooling of [B, H, W, C] and [B, F, H, W, C]. An average is the depthwise convolution by a constant window divided by
 * the number of cells that are no padding; its gradient spreads dy over the window. A maximum's gradient goes to
 * the first cell of the window that holds it, as in TensorFlow.js.
 */
import type { backend_util } from '@tensorflow/tfjs';
import { type Constant, type GraphBuilder, sameShape, sizeOf, type Value } from '../../graph/index.ts';
import { tf } from '../../tf.ts';
import {
  channelsFirst,
  channelsLast,
  type Geometry,
  geometryOf,
  padsOf,
  remainder,
  spatial,
  tapsOf,
  triple,
  withPadding,
} from '../convolution/geometry.ts';
import type { Kernel, Kernels, X } from '../kernel.ts';

interface PoolAttributes {
  filterSize: number | number[];
  strides: number | number[];
  pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type PoolOperator = 'MaxPool' | 'AveragePool';
type Shape4 = [number, number, number, number];
type Shape5 = [number, number, number, number, number];
type Pair = [number, number];
type Numbers3 = [number, number, number];

/** The window's walk over data of 4 or 5 axes; the window is as deep as the data has channels. */
function poolGeometry(shape: readonly number[], attrs: PoolAttributes): Geometry {
  const { filterSize, strides, pad, dimRoundingMode } = attrs;
  const groups = shape[shape.length - 1]!;
  const { computePool2DInfo, computePool3DInfo } = tf.backend_util;
  if (shape.length === 4) {
    const info = computePool2DInfo(shape as Shape4, filterSize as Pair, strides as Pair, 1, pad, dimRoundingMode);
    const { top, left, bottom, right } = info.padInfo;
    const geometry = geometryOf(
      [shape[0]!, 1, ...shape.slice(1)],
      [groups, 1, 1, info.filterHeight, info.filterWidth],
      {
        stride: [1, info.strideHeight, info.strideWidth],
        dilation: [1, 1, 1],
        groups,
        before: [0, top, left],
        after: [0, bottom, right],
      },
    );
    return withResult(geometry, [1, info.outHeight, info.outWidth]);
  }
  const [size, steps] = [filterSize as Numbers3, strides as Numbers3];
  const info = computePool3DInfo(shape as Shape5, size, steps, 1, pad as 'same', dimRoundingMode);
  const { front, top, left, back, bottom, right } = info.padInfo;
  const geometry = geometryOf(shape, [groups, 1, info.filterDepth, info.filterHeight, info.filterWidth], {
    stride: [info.strideDepth, info.strideHeight, info.strideWidth],
    dilation: [1, 1, 1],
    groups,
    before: [front, top, left],
    after: [back, bottom, right],
  });
  return withResult(geometry, [info.outDepth, info.outHeight, info.outWidth]);
}

/** The geometry with the result that TensorFlow.js rounds to: a window may reach beyond the padding, over nothing. */
function withResult(geometry: Geometry, wanted: readonly number[]): Geometry {
  const result = triple((i) => Math.max(0, wanted[i]!));
  const { size, kernel, stride, before, after } = geometry;
  const reach = (i: number): number => (result[i]! - 1) * stride[i]! + kernel[i]!;
  return { ...geometry, result, after: triple((i) => Math.max(after[i]!, reach(i) - size[i]! - before[i]!)) };
}

/** Pooling of x, which keeps its number of axes. */
function pool(op: PoolOperator, x: Value, geometry: Geometry, g: GraphBuilder): Value {
  const { batch, inputs, result } = geometry;
  const shape = [batch, ...(x.shape.length === 4 ? result.slice(1) : result), inputs];
  if (result.includes(0)) return g.full(shape, 0);
  // as in TensorFlow.js, whatever the padding
  if (geometry.kernel.every((cells) => cells === 1) && sameShape(shape, x.shape)) return x;
  const isPlain = geometry.kernel.every((cells, i) => geometry.before[i]! < cells && geometry.after[i]! < cells);
  return isPlain ? onnxPool(op, x, geometry, shape, g) : g.reshape(tapPool(op, x, geometry, g), shape);
}

/** Pooling tap by tap, for padding as wide as the window, which ONNX refuses. */
function tapPool(op: PoolOperator, x: Value, geometry: Geometry, g: GraphBuilder): Value {
  const cells = windows(x, geometry, op === 'MaxPool' ? Number.NEGATIVE_INFINITY : 0, g);
  if (op === 'MaxPool') return cells.reduce((a, b) => g.node('Max', [a, b], null, a.shape, 'float32'));
  const sum = cells.reduce((a, b) => g.add(a, b));
  return g.mul(sum, inverseCounts(geometry, g));
}

function onnxPool(op: PoolOperator, x: Value, geometry: Geometry, shape: number[], g: GraphBuilder): Value {
  const first = [geometry.batch, geometry.inputs, ...spatial(geometry, geometry.result)];
  const [window, strides] = [spatial(geometry, geometry.kernel), spatial(geometry, geometry.stride)];
  const attributes = { kernel_shape: window, strides, pads: padsOf(geometry) };
  return channelsLast(g, g.node(op, [channelsFirst(g, x, geometry)], attributes, first, 'float32'), shape, geometry);
}

/** The cells that each tap of the window meets: [taps, [B, ...result, C]]. */
function windows(x: Value, geometry: Geometry, filler: number, g: GraphBuilder): Value[] {
  const { batch, inputs, size, stride, result } = geometry;
  const clip = withPadding(g.reshape(x, [batch, ...size, inputs]), geometry, g, filler);
  return tapsOf(geometry).map(({ starts, ends }) => {
    return g.steps(clip, { starts, ends, axes: [1, 2, 3], steps: stride }, [batch, ...result, inputs]);
  });
}

/** Adds one gradient [B, ...result, C] for each tap back to where the taps took their cells. */
function scatter(gradients: readonly Value[], geometry: Geometry, shape: number[], g: GraphBuilder): Value {
  const { batch, inputs, size, before, after, stride, result } = geometry;
  const total = triple((i) => size[i]! + before[i]! + after[i]!);
  const rest = remainder(geometry);
  const spread = gradients.map((gradient) => {
    const wide = stride.every((step) => step === 1) ? gradient : interleave(gradient, geometry, g);
    return g.slice(wide, [0, 0, 0, 0, 0], [batch, ...triple((i) => (result[i]! - 1) * stride[i]! + 1), inputs]);
  });
  const placed = tapsOf(geometry).map(({ starts, ends }, tap) => {
    const around = starts.map((start, i): Pair => [start, total[i]! - ends[i]!]);
    return g.pad(spread[tap]!, [[0, 0], ...around, [0, 0]]);
  });
  const sum = placed.reduce((a, b) => g.add(a, b));
  if (rest.some((n) => n < 0)) throw new Error(`pool: the window reaches beyond the padded input [${shape}]`);
  return g.reshape(g.slice(sum, [0, ...before, 0], [batch, ...size, inputs]), shape);
}

/** Puts stride - 1 zeros after each cell along frames, height and width. */
function interleave(x: Value, { batch, inputs, result, stride }: Geometry, g: GraphBuilder): Value {
  const [frames, rows, columns] = result;
  const apart = g.reshape(x, [batch, frames, 1, rows, 1, columns, 1, inputs]);
  const none: Pair = [0, 0];
  const zeros = stride.map((step): Pair => [0, step - 1]);
  const wide = g.pad(apart, [none, none, zeros[0]!, none, zeros[1]!, none, zeros[2]!, none]);
  return g.reshape(wide, [batch, frames * stride[0], rows * stride[1], columns * stride[2], inputs]);
}

/** 1 / cells of the window that are no padding, [1, ...result, 1]; 1 where there are none. */
function inverseCounts(geometry: Geometry, g: GraphBuilder): Constant {
  const { size, kernel, stride, before, result } = geometry;
  const inside = (axis: number, at: number): number => {
    const start = at * stride[axis]! - before[axis]!;
    return Math.max(0, Math.min(start + kernel[axis]!, size[axis]!) - Math.max(start, 0));
  };
  const [frames, rows, columns] = result;
  const data = Array.from({ length: sizeOf([...result]) }, (_, i) => {
    const [f, h, w] = [Math.floor(i / columns / rows) % frames, Math.floor(i / columns) % rows, i % columns];
    return 1 / Math.max(1, inside(0, f) * inside(1, h) * inside(2, w));
  });
  return g.constant('float32', [1, frames, rows, columns, 1], data);
}

interface GradientInputs {
  dy: Value;
  input: Value;
}

function averageGradient({ dy, input }: GradientInputs, attrs: PoolAttributes, g: GraphBuilder): Value {
  const geometry = poolGeometry(input.shape, attrs);
  const share = g.mul(g.reshape(dy, [geometry.batch, ...geometry.result, geometry.inputs]), inverseCounts(geometry, g));
  const taps = tapsOf(geometry).map(() => share);
  return scatter(taps, geometry, input.shape, g);
}

function maxGradient({ dy, input }: GradientInputs, attrs: PoolAttributes, g: GraphBuilder): Value {
  const geometry = poolGeometry(input.shape, attrs);
  const shape = [geometry.batch, ...geometry.result, geometry.inputs];
  const top = g.reshape(pool('MaxPool', input, geometry, g), shape);
  let open = g.reshape(dy, shape); // what no earlier tap of the window has taken
  const shares = windows(input, geometry, Number.NEGATIVE_INFINITY, g).map((cells) => {
    const holds = g.compare('Equal', cells, top);
    const share = g.where(holds, open, 0);
    open = g.where(holds, 0, open);
    return share;
  });
  return scatter(shares, geometry, input.shape, g);
}

function pooling(op: PoolOperator): Kernel {
  return ({ x }: X, attrs: PoolAttributes, g) => pool(op, x, poolGeometry(x.shape, attrs), g);
}

export const poolKernels: Kernels = {
  AvgPool: pooling('AveragePool'),
  AvgPool3D: pooling('AveragePool'),
  MaxPool: pooling('MaxPool'),
  MaxPool3D: pooling('MaxPool'),
  AvgPoolGrad: averageGradient,
  AvgPool3DGrad: averageGradient,
  MaxPoolGrad: maxGradient,
  MaxPool3DGrad: maxGradient,
};
