/** Kernels that move elements without computing: reshape, transpose, slice, join, split, repeat, pad. */

import type { StridedSliceAttributes } from '../../gradients.ts';
import { beforeFirst, type GraphBuilder, sizeOf, type Value } from '../../graph/index.ts';
import { tf } from '../../tf.ts';
import { toAxes } from '../axes.ts';
import { defineKernel, type KernelDefinition } from '../kernel.ts';

interface X {
  x: Value;
}

const reshape = defineKernel<X, { shape: number[] }>('Reshape', ({ inputs: { x }, attrs }, g) => {
  const shape = tf.util.inferFromImplicitShape(attrs.shape, sizeOf(x.shape));
  if (sizeOf(shape) !== sizeOf(x.shape)) throw new Error(`reshape: [${x.shape}] does not fit [${shape}]`);
  return g.reshape(x, shape);
});

const expandDims = defineKernel<{ input: Value }, { dim: number }>('ExpandDims', ({ inputs, attrs: { dim } }, g) => {
  const shape = inputs.input.shape.slice();
  const [axis = 0] = toAxes(dim, [...shape, 1]);
  shape.splice(axis, 0, 1);
  return g.reshape(inputs.input, shape);
});

const transpose = defineKernel<X, { perm: number[] }>('Transpose', ({ inputs: { x }, attrs: { perm } }, g) =>
  g.transpose(x, perm),
);

interface SliceAttributes {
  begin: number | number[];
  size: number | number[];
}

const slice = defineKernel<X, SliceAttributes>('Slice', ({ inputs: { x }, attrs }, g) => {
  const [begin, size] = tf.slice_util.parseSliceParams(x as never, attrs.begin, attrs.size) as [number[], number[]];
  tf.slice_util.assertParamsValid(x as never, begin, size);
  return g.slice(x, begin, size);
});

const stridedSlice = defineKernel<X, StridedSliceAttributes>('StridedSlice', ({ inputs: { x }, attrs: a }, g) => {
  const info = tf.slice_util.sliceInfo(
    x.shape,
    a.begin,
    a.end,
    a.strides,
    a.beginMask,
    a.endMask,
    a.ellipsisMask,
    a.newAxisMask,
    a.shrinkAxisMask,
  );
  const size = tf.slice_util.computeOutShape(info.begin, info.end, info.strides).map((n) => Math.max(0, n));
  const taken = takeStrided(x, info.begin, info.strides, size, g);
  return g.reshape(
    taken,
    info.finalShape.map((n) => Math.max(0, n)),
  );
});

/** size[i] elements from begin[i] in steps of strides[i], on every axis. */
function takeStrided(x: Value, begin: number[], strides: number[], size: number[], g: GraphBuilder): Value {
  const last = begin.map((start, i) => start + size[i]! * strides[i]!);
  const ends = last.map((end, i) => (strides[i]! < 0 && end < 0 ? beforeFirst : end));
  const axes = begin.map((_, i) => i);
  return g.steps(x, { starts: begin, ends, axes, steps: strides }, size);
}

/** Parts must agree on every axis but `axis`. */
function checkParts(parts: readonly Value[], axis: number): void {
  const { shape } = parts[0]!;
  for (const part of parts) {
    const fits = part.shape.length === shape.length && part.shape.every((size, i) => i === axis || size === shape[i]);
    if (!fits) throw new Error(`concat: shapes [${shape}] and [${part.shape}] differ outside axis ${axis}`);
  }
}

const concat = defineKernel<Value[], { axis: number }>('Concat', ({ inputs, attrs }, g) => {
  const [axis = 0] = toAxes(attrs.axis, inputs[0]!.shape);
  checkParts(inputs, axis);
  const filled = inputs.filter((x) => sizeOf(x.shape) > 0);
  return filled.length > 0 ? g.concat(filled, axis) : g.concat(inputs, axis);
});

const pack = defineKernel<Value[], { axis: number }>('Pack', ({ inputs, attrs }, g) => {
  const { shape, dtype } = inputs[0]!;
  const axis = attrs.axis < 0 ? attrs.axis + shape.length + 1 : attrs.axis;
  const row = [...shape.slice(0, axis), 1, ...shape.slice(axis)];
  const rows = inputs.map((x) => {
    if (x.shape.join() !== shape.join() || x.dtype !== dtype) {
      throw new Error(`stack: ${dtype}[${shape}] and ${x.dtype}[${x.shape}] differ`);
    }
    return g.reshape(x, row);
  });
  return g.concat(rows, axis);
});

const unpack = defineKernel<{ value: Value }, { axis: number }>('Unpack', ({ inputs: { value }, attrs }, g) => {
  const [axis = 0] = toAxes(attrs.axis, value.shape);
  const shape = value.shape.filter((_, i) => i !== axis);
  return g.split(value, value.shape[axis]!, axis).map((part) => g.reshape(part, shape));
});

interface SplitAttributes {
  numOrSizeSplits: number | number[];
  axis: number;
}

const split = defineKernel<X, SplitAttributes>('SplitV', ({ inputs: { x }, attrs }, g) => {
  const [axis = 0] = toAxes(attrs.axis, x.shape);
  const sizes = tf.backend_util.prepareSplitSize(x as never, attrs.numOrSizeSplits, axis);
  return g.splitSizes(x, sizes, axis);
});

/** Repeating axes of size 1 is a broadcast, which is faster than a tile. */
const tile = defineKernel<X, { reps: number[] }>('Tile', ({ inputs: { x }, attrs: { reps } }, g) => {
  const shape = x.shape.map((size, i) => size * reps[i]!);
  if (x.shape.every((size, i) => size === 1 || reps[i] === 1)) return g.expand(x, shape);
  return g.node('Tile', [x, g.int64(reps)], null, shape, x.dtype);
});

interface PadAttributes {
  paddings: [number, number][];
  constantValue: number;
}

const pad = defineKernel<X, PadAttributes>('PadV2', ({ inputs: { x }, attrs }, g) =>
  g.pad(x, attrs.paddings, attrs.constantValue),
);

/** Source positions of a mirrored axis: `reflect` leaves the edge out, `symmetric` repeats it. */
function mirrored(size: number, [before, after]: [number, number], mode: string): number[] {
  const edge = mode === 'reflect' ? 0 : 1;
  return Array.from({ length: before + size + after }, (_, i) => {
    const at = i - before;
    if (at < 0) return -at - edge;
    return at < size ? at : 2 * (size - 1) - at + edge;
  });
}

interface MirrorPadAttributes {
  paddings: [number, number][];
  mode: 'reflect' | 'symmetric';
}

const mirrorPad = defineKernel<X, MirrorPadAttributes>('MirrorPad', ({ inputs: { x }, attrs }, g) => {
  let padded = x;
  attrs.paddings.forEach((paddings, axis) => {
    if (paddings[0] + paddings[1] === 0) return;
    const positions = mirrored(x.shape[axis]!, paddings, attrs.mode);
    const shape = padded.shape.map((size, i) => (i === axis ? positions.length : size));
    padded = g.node('Gather', [padded, g.int64(positions)], { axis }, shape, x.dtype);
  });
  return padded;
});

interface BlockAttributes {
  blockShape: number[];
}

/** [B prod(block), H, W, ...] -> [B, H block[0], W block[1], ...], then cropped. */
const batchToSpace = defineKernel<X, BlockAttributes & { crops: number[][] }>(
  'BatchToSpaceND',
  ({ inputs: { x }, attrs: { blockShape, crops } }, g) => {
    const { backend_util: util } = tf;
    const count = sizeOf(blockShape);
    const parts = g.reshape(x, util.getReshaped(x.shape, blockShape, count));
    const ordered = g.transpose(parts, util.getPermuted(parts.shape.length, blockShape.length));
    const whole = g.reshape(ordered, util.getReshapedPermuted(x.shape, blockShape, count));
    const cropped = (i: number): readonly number[] => crops[i - 1] ?? [0, 0];
    const begin = whole.shape.map((_, i) => cropped(i)[0]!);
    const size = whole.shape.map((n, i) => n - cropped(i)[0]! - cropped(i)[1]!);
    return g.slice(whole, begin, size);
  },
);

/** The way back: padded, then each place in a block becomes a batch of its own. */
const spaceToBatch = defineKernel<X, BlockAttributes & { paddings: [number, number][] }>(
  'SpaceToBatchND',
  ({ inputs: { x }, attrs: { blockShape, paddings } }, g) => {
    const { backend_util: util } = tf;
    const count = sizeOf(blockShape);
    const around = x.shape.map((_, i): [number, number] => paddings[i - 1] ?? [0, 0]);
    const whole = g.pad(x, around);
    const parts = g.reshape(whole, util.getReshaped(whole.shape, blockShape, count, false));
    const ordered = g.transpose(parts, util.getPermuted(parts.shape.length, blockShape.length, false));
    return g.reshape(ordered, util.getReshapedPermuted(whole.shape, blockShape, count, false));
  },
);

/** A vector, or any tensor taken as one, on the diagonal of zeros: [...] -> [..., ...]. */
const diag = defineKernel<X>('Diag', ({ inputs: { x } }, g) => {
  const size = sizeOf(x.shape);
  const limits = [0, size, 1].map((n) => g.scalar(n, 'int32'));
  const row = g.node('Range', limits, null, [size], 'int32');
  const identity = g.compare('Equal', g.reshape(row, [size, 1]), row);
  const number = x.dtype === 'bool' ? g.cast(x, 'int32') : x;
  const square = g.node(
    'Where',
    [identity, g.reshape(number, [size, 1]), g.scalar(0, number.dtype)],
    null,
    [size, size],
    number.dtype,
  );
  return g.cast(g.reshape(square, [...x.shape, ...x.shape]), x.dtype);
});

const flipLeftRight = defineKernel<{ image: Value }>('FlipLeftRight', ({ inputs: { image } }, g) =>
  g.reverse(image, [2]),
);

const reverse = defineKernel<X, { dims: number | number[] }>('Reverse', ({ inputs: { x }, attrs }, g) => {
  const axes = toAxes(attrs.dims, x.shape);
  return axes.length === 0 ? x : g.reverse(x, axes);
});

/** [B, H, W, C r r] -> [B, H r, W r, C]: each group of r x r channels becomes a block of pixels. */
const depthToSpace = defineKernel<X, { blockSize: number; dataFormat: string }>(
  'DepthToSpace',
  ({ inputs: { x }, attrs: { blockSize: r, dataFormat } }, g) => {
    if (dataFormat !== 'NHWC') throw new Error(`depthToSpace: data format ${dataFormat}; use NHWC`);
    const [b, h, w, depth] = x.shape as [number, number, number, number];
    const c = depth / (r * r);
    const blocks = g.reshape(x, [b, h, w, r, r, c]);
    return g.reshape(g.transpose(blocks, [0, 1, 3, 2, 4, 5]), [b, h * r, w * r, c]);
  },
);

export const shapeKernels: readonly KernelDefinition[] = [
  reshape,
  expandDims,
  transpose,
  slice,
  stridedSlice,
  concat,
  pack,
  unpack,
  split,
  tile,
  pad,
  mirrorPad,
  reverse,
  flipLeftRight,
  batchToSpace,
  spaceToBatch,
  diag,
  depthToSpace,
];
