/**
 * Gradient of a convolution with respect to its weights: dW[o, i, t, h, w] = Σ dy[m, o] x[m moved by (t, h, w), i].
 * Each tap pairs the rows of dy with other rows of x: a slice of the padded input and one product dyᵀ x.
 */
import type { GraphBuilder } from '../builder.ts';
import { asRows } from '../fused/shape.ts';
import type { Value } from '../value.ts';
import { type Plan, tapsOf } from './convolution-plan.ts';

/** Below so many channels a product is too thin: the taps of a kernel row then lie side by side as channels. */
const thin = 16;

/** dW [Out, In/groups, kT, kH, kW] from x [B, F, H, W, In] and dy [B, F', H', W', Out]. */
export function weightGradient(x: Value, dy: Value, plan: Plan, g: GraphBuilder): Value {
  const { groups, inputs, outputs, before, after } = plan;
  const around = before.map((zeros, i): [number, number] => [zeros, after[i]!]);
  const clip = g.pad(x, [[0, 0], ...around, [0, 0]]);
  if (groups === 1) return denseGradient(clip, dy, plan, g);
  const part = { ...plan, groups: 1, inputs: inputs / groups, outputs: outputs / groups };
  const results = g.split(dy, groups, 4);
  const perGroup = g.split(clip, groups, 4).map((channels, i) => denseGradient(channels, results[i]!, part, g));
  return g.concat(perGroup, 0);
}

function denseGradient(clip: Value, dy: Value, plan: Plan, g: GraphBuilder): Value {
  return plan.inputs < thin && plan.kernel[2] > 1
    ? byKernelRow(rowWindows(clip, plan, g), dy, plan, g)
    : byTap(clip, dy, plan, g);
}

/** One product [Out, M] [M, In] for each tap. */
function byTap(clip: Value, dy: Value, plan: Plan, g: GraphBuilder): Value {
  const { kernel, inputs, outputs, stride } = plan;
  const count = kernel[0] * kernel[1] * kernel[2];
  const products = tapsOf(plan).map(({ starts, ends }) => pairs(clip, dy, [starts, ends, stride], plan, g));
  const taps = g.reshape(g.concat(products, 1), [outputs, count, inputs]);
  return g.reshape(g.transpose(taps, [0, 2, 1]), [outputs, inputs, ...kernel]); // [Out, taps, In] -> [Out, In, kT, kH, kW]
}

/** One product [Out, M] [M, kW*In] for each tap in time and height. */
function byKernelRow(windows: Value, dy: Value, plan: Plan, g: GraphBuilder): Value {
  const [frames, rows, columns] = plan.kernel;
  const tall: Plan = { ...plan, kernel: [frames, rows, 1], inputs: columns * plan.inputs };
  const stride: Plan['stride'] = [plan.stride[0], plan.stride[1], 1]; // the windows have one column for each result
  const products = tapsOf({ ...tall, stride }).map(({ starts, ends }) =>
    pairs(windows, dy, [starts, ends, stride], tall, g),
  );
  const taps = g.reshape(g.concat(products, 1), [plan.outputs, frames * rows * columns, plan.inputs]);
  return g.reshape(g.transpose(taps, [0, 2, 1]), [plan.outputs, plan.inputs, ...plan.kernel]);
}

/** dyᵀ times the positions from starts to ends: [Out, In]. */
function pairs(x: Value, dy: Value, range: readonly Plan['stride'][], plan: Plan, g: GraphBuilder): Value {
  const [starts, ends, steps] = range as [Plan['stride'], Plan['stride'], Plan['stride']];
  const operands = [x, g.int64(starts), g.int64(ends), g.int64([1, 2, 3]), g.int64(steps)];
  const met = g.node('Slice', operands, null, [plan.batch, ...plan.result, plan.inputs], 'float32');
  return g.gemm(asRows(g, dy), asRows(g, met), null, { transA: true });
}

/** The kW cells that each result column meets side by side: [B, F, H, W', kW*In]. */
function rowWindows(clip: Value, { kernel, dilation, stride, result }: Plan, g: GraphBuilder): Value {
  const shape = clip.shape.map((size, axis) => (axis === 3 ? result[2] : size));
  const columns = Array.from({ length: kernel[2] }, (_, tap) => {
    const start = tap * dilation[2];
    const end = start + (result[2] - 1) * stride[2] + 1;
    const operands = [clip, g.int64([start]), g.int64([end]), g.int64([3]), g.int64([stride[2]])];
    return g.node('Slice', operands, null, shape, 'float32');
  });
  return g.concat(columns, 4);
}
