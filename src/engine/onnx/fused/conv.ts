/**
 * Convolutions on channels-last data with weights [Out, In/groups, kT, kH, kW]. ONNX's Conv wants channels first;
 * one frame with kT = 1 is a 2-D convolution.
 *
 * - forward: Conv
 * - dx: Conv of dy with the flipped weights where all steps are 1, else ConvTranspose
 * - dW: for each tap the product dyᵀ x of the rows that the tap pairs
 */
import type { GraphBuilder } from '../builder.ts';
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';
import { asRows, columnSums } from './shape.ts';

/** [frames, height, width] */
type Triple = readonly [number, number, number];

interface ConvInputs {
  x: Value;
  weight: Value;
  bias?: Value;
}

/** Attributes of `fused.conv`; see ConvGeometry of ops/conv.ts. */
interface ConvAttributes {
  stride: Triple;
  padding: readonly (readonly [number, number])[];
  dilation: number;
  groups: number;
}

/** A convolution with everything that its kernels need worked out. */
interface Plan {
  readonly batch: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly size: Triple;
  readonly result: Triple;
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly dilation: Triple;
  readonly before: Triple;
  readonly after: Triple;
  readonly groups: number;
  /** One frame and kT = 1: the frame axis is left out. */
  readonly flat: boolean;
}

function planOf({ x, weight }: ConvInputs, { stride, padding, dilation: d, groups }: ConvAttributes): Plan {
  const [batch, ...sizes] = x.shape as [number, number, number, number, number];
  const inputs = sizes.pop()!;
  const size = sizes as unknown as Triple;
  const kernel = weight.shape.slice(2) as unknown as Triple;
  const dilation: Triple = [1, d, d];
  const before = padding.map((pair) => pair[0]) as unknown as Triple;
  const after = padding.map((pair) => pair[1]) as unknown as Triple;
  const result = size.map((n, i) => {
    const reach = dilation[i]! * (kernel[i]! - 1) + 1;
    return Math.floor((n + before[i]! + after[i]! - reach) / stride[i]!) + 1;
  }) as unknown as Triple;
  const flat = size[0] === 1 && kernel[0] === 1 && before[0] + after[0] === 0;
  const outputs = weight.shape[0]!;
  return { batch, inputs, outputs, size, result, kernel, stride, dilation, before, after, groups, flat };
}

/** Drops the frame axis of a list when the convolution is 2-D. */
function spatial(plan: Plan, values: readonly number[]): number[] {
  return plan.flat ? values.slice(1) : values.slice();
}

/** [B, F, H, W, C] -> [B, C, F, H, W], or [B, C, H, W] when flat. */
function channelsFirst(g: GraphBuilder, x: Value, plan: Plan): Value {
  const [batch, frames, height, width, channels] = x.shape as [number, number, number, number, number];
  if (!plan.flat) return g.transpose(x, [0, 4, 1, 2, 3]);
  return g.transpose(g.reshape(x, [batch * frames, height, width, channels]), [0, 3, 1, 2]);
}

/** The way back, to `shape`. */
function channelsLast(g: GraphBuilder, y: Value, shape: number[], plan: Plan): Value {
  return g.reshape(g.transpose(y, plan.flat ? [0, 2, 3, 1] : [0, 2, 3, 4, 1]), shape);
}

/** The weight without its frame axis when flat. */
function taps(g: GraphBuilder, weight: Value, plan: Plan): Value {
  return g.reshape(weight, [weight.shape[0]!, weight.shape[1]!, ...spatial(plan, weight.shape.slice(2))]);
}

interface Steps {
  stride: Triple;
  dilation: Triple;
  before: Triple;
  after: Triple;
  groups: number;
}

function attributes(plan: Plan, { stride, dilation, before, after, groups }: Steps): Record<string, number | number[]> {
  return {
    strides: spatial(plan, stride),
    dilations: spatial(plan, dilation),
    pads: [...spatial(plan, before), ...spatial(plan, after)],
    group: groups,
  };
}

function forward({ x, weight, bias }: ConvInputs, plan: Plan, g: GraphBuilder): Value {
  const shape = [plan.batch, plan.outputs, ...spatial(plan, plan.result)];
  const operands = [channelsFirst(g, x, plan), taps(g, weight, plan), ...(bias ? [bias] : [])];
  const y = g.node('Conv', operands, attributes(plan, plan), shape, 'float32');
  return channelsLast(g, y, [plan.batch, ...plan.result, plan.outputs], plan);
}

const unitSteps: Triple = [1, 1, 1];

function inputGradient(weight: Value, dy: Value, plan: Plan, g: GraphBuilder): Value {
  const shape = [plan.batch, plan.inputs, ...spatial(plan, plan.size)];
  const d = channelsFirst(g, dy, plan);
  const w = taps(g, weight, plan);
  const plain = plan.groups === 1 && plan.stride.every((step) => step === 1);
  const dx = plain
    ? g.node('Conv', [d, flipped(w, g)], attributes(plan, mirrored(plan)), shape, 'float32')
    : g.node('ConvTranspose', [d, w], { ...attributes(plan, plan), output_padding: remainder(plan) }, shape, 'float32');
  return channelsLast(g, dx, [plan.batch, ...plan.size, plan.inputs], plan);
}

/** [Out, In, ...k] -> [In, Out, ...k], each tap in the opposite place. */
function flipped(weight: Value, g: GraphBuilder): Value {
  const axes = weight.shape.map((_, axis) => axis).slice(2);
  return g.reverse(g.transpose(weight, [1, 0, ...axes]), axes);
}

/** Steps of the convolution that takes dy to dx where all strides are 1. */
function mirrored({ kernel, dilation, before, after }: Plan): Steps {
  const rest = (pads: Triple): Triple =>
    pads.map((pad, i) => dilation[i]! * (kernel[i]! - 1) - pad) as unknown as Triple;
  return { stride: unitSteps, dilation, before: rest(before), after: rest(after), groups: 1 };
}

/** Positions at the end that no tap of the forward convolution reached. */
function remainder(plan: Plan): number[] {
  const { size, result, kernel, stride, dilation, before, after } = plan;
  const rest = size.map((n, i) => {
    const reach = (result[i]! - 1) * stride[i]! + dilation[i]! * (kernel[i]! - 1) + 1;
    return n + before[i]! + after[i]! - reach;
  });
  return spatial(plan, rest);
}

function weightGradient(x: Value, weight: Value, dy: Value, plan: Plan, g: GraphBuilder): Value {
  const { before, after, groups, kernel, inputs, outputs } = plan;
  const padded = g.pad(x, [[0, 0], ...before.map((b, i) => [b, after[i]!] as const), [0, 0]]);
  const rows = g.split(asRows(g, dy), groups, 1); // [M, Out/groups] each
  const perTap = tapOffsets(kernel).map((tap) => {
    const paired = g.split(asRows(g, tapSlice(padded, tap, plan, g)), groups, 1); // [M, In/groups] each
    const products = paired.map((part, i) => g.gemm(rows[i]!, part, null, { transA: true }));
    return g.reshape(g.concat(products, 0), [outputs, inputs / groups, 1]);
  });
  return g.reshape(g.concat(perTap, 2), weight.shape); // [Out, In/groups, kT*kH*kW] -> weight
}

function tapOffsets([frames, rows, columns]: Triple): Triple[] {
  const count = frames * rows * columns;
  return Array.from({ length: count }, (_, i) => {
    const row = Math.floor(i / columns);
    return [Math.floor(row / rows), row % rows, i % columns] as const;
  });
}

/** The inputs that one tap meets, in the order of the results: [B, ...result, C]. */
function tapSlice(
  padded: Value,
  tap: Triple,
  { batch, result, stride, dilation, inputs }: Plan,
  g: GraphBuilder,
): Value {
  const starts = tap.map((t, i) => t * dilation[i]!);
  const ends = starts.map((start, i) => start + (result[i]! - 1) * stride[i]! + 1);
  const operands = [padded, g.int64(starts), g.int64(ends), g.int64([1, 2, 3]), g.int64(stride)];
  return g.node('Slice', operands, null, [batch, ...result, inputs], 'float32');
}

function gradients({ x, weight, bias, dy }: ConvInputs & { dy: Value }, plan: Plan, g: GraphBuilder): Value[] {
  const made = [inputGradient(weight, dy, plan, g), weightGradient(x, weight, dy, plan, g)];
  return bias ? [...made, columnSums(g, asRows(g, dy))] : made;
}

export const convKernels: readonly KernelDefinition[] = [
  defineKernel<ConvInputs, ConvAttributes>('fused.conv', ({ inputs, attrs }, g) =>
    forward(inputs, planOf(inputs, attrs), g),
  ),
  defineKernel<ConvInputs & { dy: Value }, ConvAttributes>('fused.conv.grad', ({ inputs, attrs }, g) =>
    gradients(inputs, planOf(inputs, attrs), g),
  ),
];
