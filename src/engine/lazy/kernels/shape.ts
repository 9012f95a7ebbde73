/** Kernels that move elements without computing: reshape, transpose, slice, join, split, repeat, pad. */
import type { StridedSliceAttributes } from '../../gradients.ts';
import { beforeFirst, type GraphBuilder, sizeOf, type Value } from '../../graph/index.ts';
import { tf } from '../../tf.ts';
import { asNumber, counting, toAxes } from '../axes.ts';
import type { Kernels, X } from '../kernel.ts';

type Pair = [number, number];

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

/** Source positions of a mirrored axis: `reflect` leaves the edge out, `symmetric` repeats it. */
function mirrored(size: number, [before, after]: Pair, mode: 'reflect' | 'symmetric'): number[] {
  const edge = mode === 'reflect' ? 0 : 1;
  return Array.from({ length: before + size + after }, (_, i) => {
    const at = i - before;
    if (at < 0) return -at - edge;
    return at < size ? at : 2 * (size - 1) - at + edge;
  });
}

/** [B prod(block), H, W, ...] -> [B, H block[0], W block[1], ...], then cropped. */
function batchToSpace({ x }: X, attrs: { blockShape: number[]; crops: number[][] }, g: GraphBuilder): Value {
  const { blockShape, crops } = attrs;
  const { backend_util: util } = tf;
  const count = sizeOf(blockShape);
  const parts = g.reshape(x, util.getReshaped(x.shape, blockShape, count));
  const ordered = g.transpose(parts, util.getPermuted(parts.shape.length, blockShape.length));
  const whole = g.reshape(ordered, util.getReshapedPermuted(x.shape, blockShape, count));
  const cropped = (i: number): readonly number[] => crops[i - 1] ?? [0, 0];
  const begin = whole.shape.map((_, i) => cropped(i)[0]!);
  const size = whole.shape.map((n, i) => n - cropped(i)[0]! - cropped(i)[1]!);
  return g.slice(whole, begin, size);
}

/** The way back: padded, then each place in a block becomes a batch of its own. */
function spaceToBatch({ x }: X, attrs: { blockShape: number[]; paddings: Pair[] }, g: GraphBuilder): Value {
  const { blockShape, paddings } = attrs;
  const { backend_util: util } = tf;
  const count = sizeOf(blockShape);
  const around = x.shape.map((_, i): Pair => paddings[i - 1] ?? [0, 0]);
  const whole = g.pad(x, around);
  const parts = g.reshape(whole, util.getReshaped(whole.shape, blockShape, count, false));
  const ordered = g.transpose(parts, util.getPermuted(parts.shape.length, blockShape.length, false));
  return g.reshape(ordered, util.getReshapedPermuted(whole.shape, blockShape, count, false));
}

export const shapeKernels: Kernels = {
  Reshape: ({ x }: X, attrs: { shape: number[] }, g) => {
    const shape = tf.util.inferFromImplicitShape(attrs.shape, sizeOf(x.shape));
    if (sizeOf(shape) !== sizeOf(x.shape)) throw new Error(`reshape: [${x.shape}] does not fit [${shape}]`);
    return g.reshape(x, shape);
  },
  ExpandDims: ({ input }: { input: Value }, { dim }: { dim: number }, g) => {
    const [axis = 0] = toAxes(dim, [...input.shape, 1]);
    return g.reshape(input, [...input.shape.slice(0, axis), 1, ...input.shape.slice(axis)]);
  },
  Transpose: ({ x }: X, { perm }: { perm: number[] }, g) => g.transpose(x, perm),
  Slice: ({ x }: X, attrs: { begin: number | number[]; size: number | number[] }, g) => {
    const [begin, size] = tf.slice_util.parseSliceParams(x as never, attrs.begin, attrs.size) as [number[], number[]];
    tf.slice_util.assertParamsValid(x as never, begin, size);
    return g.slice(x, begin, size);
  },
  StridedSlice: ({ x }: X, attrs: StridedSliceAttributes, g) => {
    const { begin, end, strides, beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attrs;
    const masks = [beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask] as const;
    const info = tf.slice_util.sliceInfo(x.shape, begin, end, strides, ...masks);
    const size = tf.slice_util.computeOutShape(info.begin, info.end, info.strides).map((n) => Math.max(0, n));
    const shape = info.finalShape.map((n) => Math.max(0, n));
    return g.reshape(takeStrided(x, info.begin, info.strides, size, g), shape);
  },
  Concat: (inputs: Value[], attrs: { axis: number }, g) => {
    const [axis = 0] = toAxes(attrs.axis, inputs[0]!.shape);
    checkParts(inputs, axis);
    const filled = inputs.filter((x) => sizeOf(x.shape) > 0);
    return g.concat(filled.length > 0 ? filled : inputs, axis);
  },
  Pack: (inputs: Value[], attrs: { axis: number }, g) => {
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
  },
  Unpack: ({ value }: { value: Value }, attrs: { axis: number }, g) => {
    const [axis = 0] = toAxes(attrs.axis, value.shape);
    const shape = value.shape.filter((_, i) => i !== axis);
    return g.split(value, value.shape[axis]!, axis).map((part) => g.reshape(part, shape));
  },
  SplitV: ({ x }: X, attrs: { numOrSizeSplits: number | number[]; axis: number }, g) => {
    const [axis = 0] = toAxes(attrs.axis, x.shape);
    return g.splitSizes(x, tf.backend_util.prepareSplitSize(x as never, attrs.numOrSizeSplits, axis), axis);
  },
  /** Repeating axes of size 1 is a broadcast, which is faster than a tile. */
  Tile: ({ x }: X, { reps }: { reps: number[] }, g) => {
    const shape = x.shape.map((size, i) => size * reps[i]!);
    if (x.shape.every((size, i) => size === 1 || reps[i] === 1)) return g.expand(x, shape);
    return g.node('Tile', [x, g.int64(reps)], null, shape, x.dtype);
  },
  PadV2: ({ x }: X, attrs: { paddings: Pair[]; constantValue: number }, g) =>
    g.pad(x, attrs.paddings, attrs.constantValue),
  MirrorPad: ({ x }: X, attrs: { paddings: Pair[]; mode: 'reflect' | 'symmetric' }, g) => {
    let padded = x;
    attrs.paddings.forEach((paddings, axis) => {
      if (paddings[0] + paddings[1] === 0) return;
      const positions = mirrored(x.shape[axis]!, paddings, attrs.mode);
      const shape = padded.shape.map((size, i) => (i === axis ? positions.length : size));
      padded = g.node('Gather', [padded, g.int64(positions)], { axis }, shape, x.dtype);
    });
    return padded;
  },
  Reverse: ({ x }: X, { dims }: { dims: number | number[] }, g) => {
    const axes = toAxes(dims, x.shape);
    return axes.length === 0 ? x : g.reverse(x, axes);
  },
  FlipLeftRight: ({ image }: { image: Value }, _, g) => g.reverse(image, [2]),
  BatchToSpaceND: batchToSpace,
  SpaceToBatchND: spaceToBatch,
  /** A vector, or any tensor taken as one, on the diagonal of zeros: [...] -> [..., ...]. */
  Diag: ({ x }: X, _, g) => {
    const size = sizeOf(x.shape);
    const row = counting(g, size);
    const identity = g.compare('Equal', g.reshape(row, [size, 1]), row);
    const square = g.where(identity, g.reshape(asNumber(x, g), [size, 1]), 0);
    return g.cast(g.reshape(square, [...x.shape, ...x.shape]), x.dtype);
  },
  /** [B, H, W, C r r] -> [B, H r, W r, C]: each group of r x r channels becomes a block of pixels. */
  DepthToSpace: ({ x }: X, { blockSize: r, dataFormat }: { blockSize: number; dataFormat: string }, g) => {
    if (dataFormat !== 'NHWC') throw new Error(`depthToSpace: data format ${dataFormat}; use NHWC`);
    const [b, h, w, depth] = x.shape as [number, number, number, number];
    const c = depth / (r * r);
    const blocks = g.reshape(x, [b, h, w, r, r, c]);
    return g.reshape(g.transpose(blocks, [0, 1, 3, 2, 4, 5]), [b, h * r, w * r, c]);
  },
};
