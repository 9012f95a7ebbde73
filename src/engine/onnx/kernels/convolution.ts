/**
 * Convolutions on channels-last data with weights [Out, In/groups, kT, kH, kW]: the blocked kernels where they
 * suit, else ONNX's Conv, which wants channels first.
 *
 * - dx: the convolution of dy by the mirrored weights where all strides are 1, else ConvTranspose
 * - dW: convolution-gradient.ts
 */
import type { GraphBuilder } from '../builder.ts';
import type { Attributes } from '../proto.ts';
import type { Value } from '../value.ts';
import { blockedConvolution, suitsBlocks } from './convolution-blocked.ts';
import { type ConvInputs, isFlat, isUnitStride, mirrored, type Plan, remainder } from './convolution-plan.ts';

/** A list over frames, height and width without the frame axis when the convolution is 2-D. */
function spatial(plan: Plan, values: readonly number[]): number[] {
  return isFlat(plan) ? values.slice(1) : values.slice();
}

/** [B, F, H, W, C] -> [B, C, F, H, W], or [B, C, H, W] when flat. */
function channelsFirst(g: GraphBuilder, x: Value, plan: Plan): Value {
  const [batch, , height, width, channels] = x.shape as [number, number, number, number, number];
  if (!isFlat(plan)) return g.transpose(x, [0, 4, 1, 2, 3]);
  return g.transpose(g.reshape(x, [batch, height, width, channels]), [0, 3, 1, 2]);
}

/** The way back, to `shape`. */
function channelsLast(g: GraphBuilder, y: Value, shape: number[], plan: Plan): Value {
  return g.reshape(g.transpose(y, isFlat(plan) ? [0, 2, 3, 1] : [0, 2, 3, 4, 1]), shape);
}

/** The weight without its frame axis when flat. */
function taps(g: GraphBuilder, weight: Value, plan: Plan): Value {
  return g.reshape(weight, [weight.shape[0]!, weight.shape[1]!, ...spatial(plan, weight.shape.slice(2))]);
}

function stepsOf(plan: Plan): Attributes {
  return {
    strides: spatial(plan, plan.stride),
    dilations: spatial(plan, plan.dilation),
    pads: [...spatial(plan, plan.before), ...spatial(plan, plan.after)],
    group: plan.groups,
  };
}

/** y [B, F', H', W', Out] */
export function convolution(inputs: ConvInputs, plan: Plan, g: GraphBuilder): Value {
  if (suitsBlocks(plan, g)) return blockedConvolution(inputs, plan, g);
  const { x, weight, bias } = inputs;
  const shape = [plan.batch, plan.outputs, ...spatial(plan, plan.result)];
  const operands = [channelsFirst(g, x, plan), taps(g, weight, plan), ...(bias ? [bias] : [])];
  const y = g.node('Conv', operands, stepsOf(plan), shape, 'float32');
  return channelsLast(g, y, [plan.batch, ...plan.result, plan.outputs], plan);
}

/** dx [B, F, H, W, In] from dy [B, F', H', W', Out]. */
export function inputGradient(weight: Value, dy: Value, plan: Plan, g: GraphBuilder): Value {
  if (plan.groups === 1 && isUnitStride(plan)) {
    const axes = [2, 3, 4];
    const mirror = g.reverse(g.transpose(weight, [1, 0, ...axes]), axes); // [Out, In, ...k] -> [In, Out, ...k]
    return convolution({ x: dy, weight: mirror }, mirrored(plan), g);
  }
  const shape = [plan.batch, plan.inputs, ...spatial(plan, plan.size)];
  const operands = [channelsFirst(g, dy, plan), taps(g, weight, plan)];
  const attributes = { ...stepsOf(plan), output_padding: spatial(plan, remainder(plan)) };
  const dx = g.node('ConvTranspose', operands, attributes, shape, 'float32');
  return channelsLast(g, dx, [plan.batch, ...plan.size, plan.inputs], plan);
}
