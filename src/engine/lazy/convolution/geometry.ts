/** What convolutions and pooling work out once from shapes and steps. Axes are frames, height, width. */
import type { GraphBuilder, Value } from '../../graph/index.ts';

/** [frames, height, width] */
export type Triple = readonly [number, number, number];

export interface Steps {
  readonly stride: Triple;
  readonly dilation: Triple;
  /** Zeros before and after each axis. */
  readonly before: Triple;
  readonly after: Triple;
  readonly groups: number;
}

/** A convolution of [B, F, H, W, In] by weights [Out, In/groups, kT, kH, kW]. */
export interface Geometry extends Steps {
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly size: Triple;
  readonly kernel: Triple;
  /** Frames, height, width of the result. */
  readonly result: Triple;
}

/** The geometry of data [B, F, H, W, In] and weights [Out, In/groups, kT, kH, kW]. */
export function geometryOf(x: readonly number[], weight: readonly number[], steps: Steps): Geometry {
  const { stride, dilation, before, after } = steps;
  const size = triple((i) => x[i + 1]!);
  const kernel = triple((i) => weight[i + 2]!);
  const reach = (i: number): number => dilation[i]! * (kernel[i]! - 1) + 1;
  const result = triple((i) => Math.floor((size[i]! + before[i]! + after[i]! - reach(i)) / stride[i]!) + 1);
  return { ...steps, batch: x[0]!, inputs: x[4]!, outputs: weight[0]!, size, kernel, result };
}

export function triple(f: (axis: number) => number): Triple {
  return [f(0), f(1), f(2)];
}

/** One frame and kT = 1: the frame axis can be left out. */
function isFlat({ size, kernel, before, after }: Geometry): boolean {
  return size[0] === 1 && kernel[0] === 1 && before[0] + after[0] === 0;
}

/** The convolution that takes dy to dx, by the mirrored weights. Only for strides of 1 and one group. */
export function mirrored(forward: Geometry): Geometry {
  const { batch, inputs, outputs, kernel, dilation, before, after, result, size } = forward;
  const rest = (pads: Triple): Triple => triple((i) => dilation[i]! * (kernel[i]! - 1) - pads[i]!);
  return {
    batch,
    inputs: outputs,
    outputs: inputs,
    size: result,
    result: size,
    kernel,
    dilation,
    before: rest(before),
    after: rest(after),
    stride: [1, 1, 1],
    groups: 1,
  };
}

/** The positions that one tap meets in the padded input. */
export interface Tap {
  readonly starts: Triple;
  readonly ends: Triple;
}

/** The taps of a kernel, width fastest. */
export function tapsOf({ kernel, dilation, stride, result }: Geometry): Tap[] {
  const [frames, rows, columns] = kernel;
  return Array.from({ length: frames * rows * columns }, (_, i) => {
    const row = Math.floor(i / columns);
    const tap = [Math.floor(row / rows), row % rows, i % columns];
    const starts = triple((axis) => tap[axis]! * dilation[axis]!);
    return { starts, ends: triple((axis) => starts[axis]! + (result[axis]! - 1) * stride[axis]! + 1) };
  });
}

/** Positions at the end of each axis that no tap reached. */
export function remainder({ size, result, kernel, stride, dilation, before, after }: Geometry): Triple {
  return triple((i) => {
    const reached = (result[i]! - 1) * stride[i]! + dilation[i]! * (kernel[i]! - 1) + 1;
    return size[i]! + before[i]! + after[i]! - reached;
  });
}

/** A list over frames, height and width without the frame axis when the operation is 2-D. */
export function spatial(geometry: Geometry, values: readonly number[]): number[] {
  return isFlat(geometry) ? values.slice(1) : values.slice();
}

/** Zeros before each axis, then after each. */
export function padsOf(geometry: Geometry): number[] {
  return [...spatial(geometry, geometry.before), ...spatial(geometry, geometry.after)];
}

/** [B, F, H, W, C] -> [B, C, F, H, W], or [B, C, H, W] when flat. */
export function channelsFirst(g: GraphBuilder, x: Value, geometry: Geometry): Value {
  if (!isFlat(geometry)) return g.transpose(x, [0, 4, 1, 2, 3]);
  return g.transpose(g.reshape(x, [x.shape[0]!, ...x.shape.slice(-3)]), [0, 3, 1, 2]);
}

export function channelsLast(g: GraphBuilder, y: Value, shape: number[], geometry: Geometry): Value {
  return g.reshape(g.transpose(y, isFlat(geometry) ? [0, 2, 3, 1] : [0, 2, 3, 4, 1]), shape);
}

/** x with the zeros of the geometry around frames, height and width. */
export function withPadding(x: Value, { before, after }: Geometry, g: GraphBuilder, filler: number = 0): Value {
  const around = before.map((zeros, i): [number, number] => [zeros, after[i]!]);
  return g.pad(x, [[0, 0], ...around, [0, 0]], filler);
}

export interface ConvInputs {
  x: Value;
  weight: Value;
  bias?: Value;
}
