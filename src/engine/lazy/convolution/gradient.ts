/**
 * Gradient of a convolution with respect to its weights: dW[o, i, t, h, w] = Σ dy[m, o] x[m moved by (t, h, w), i].
 * Each tap pairs the rows of dy with other rows of x: a slice of the padded input and one product dyᵀ x.
 */
import type { GraphBuilder, Value } from '../../graph/index.ts';
import { asRows } from '../axes.ts';
import { type Geometry, tapsOf } from './geometry.ts';

/** Below so many channels a product is too thin: the taps of a kernel row then lie side by side as channels. */
const thin = 16;

/** dW [Out, In/groups, kT, kH, kW] from x [B, F, H, W, In] and dy [B, F', H', W', Out]. */
export function weightGradient(x: Value, dy: Value, geometry: Geometry, g: GraphBuilder): Value {
  const { groups, inputs, outputs, before, after } = geometry;
  const around = before.map((zeros, i): [number, number] => [zeros, after[i]!]);
  const clip = g.pad(x, [[0, 0], ...around, [0, 0]]);
  if (groups === 1) return denseGradient(clip, dy, geometry, g);
  const part = { ...geometry, groups: 1, inputs: inputs / groups, outputs: outputs / groups };
  const results = g.split(dy, groups, 4);
  const perGroup = g.split(clip, groups, 4).map((channels, i) => denseGradient(channels, results[i]!, part, g));
  return g.concat(perGroup, 0);
}

function denseGradient(clip: Value, dy: Value, geometry: Geometry, g: GraphBuilder): Value {
  return geometry.inputs < thin && geometry.kernel[2] > 1
    ? byKernelRow(rowWindows(clip, geometry, g), dy, geometry, g)
    : byTap(clip, dy, geometry, g);
}

/** One product [Out, M] [M, In] for each tap. */
function byTap(clip: Value, dy: Value, geometry: Geometry, g: GraphBuilder): Value {
  const { kernel, inputs, outputs, stride } = geometry;
  const count = kernel[0] * kernel[1] * kernel[2];
  const products = tapsOf(geometry).map(({ starts, ends }) => pairs(clip, dy, [starts, ends, stride], geometry, g));
  const taps = g.reshape(g.concat(products, 1), [outputs, count, inputs]);
  return g.reshape(g.transpose(taps, [0, 2, 1]), [outputs, inputs, ...kernel]); // [Out, taps, In] -> [Out, In, kT, kH, kW]
}

/** One product [Out, M] [M, kW*In] for each tap in time and height. */
function byKernelRow(windows: Value, dy: Value, geometry: Geometry, g: GraphBuilder): Value {
  const [frames, rows, columns] = geometry.kernel;
  const tall: Geometry = { ...geometry, kernel: [frames, rows, 1], inputs: columns * geometry.inputs };
  const stride: Geometry['stride'] = [geometry.stride[0], geometry.stride[1], 1]; // the windows have one column for each result
  const products = tapsOf({ ...tall, stride }).map(({ starts, ends }) =>
    pairs(windows, dy, [starts, ends, stride], tall, g),
  );
  const taps = g.reshape(g.concat(products, 1), [geometry.outputs, frames * rows * columns, geometry.inputs]);
  return g.reshape(g.transpose(taps, [0, 2, 1]), [geometry.outputs, geometry.inputs, ...geometry.kernel]);
}

/** dyᵀ times the positions from starts to ends: [Out, In]. */
function pairs(x: Value, dy: Value, range: readonly Geometry['stride'][], geometry: Geometry, g: GraphBuilder): Value {
  const [starts, ends, steps] = range as [Geometry['stride'], Geometry['stride'], Geometry['stride']];
  const shape = [geometry.batch, ...geometry.result, geometry.inputs];
  const met = g.steps(x, { starts, ends, axes: [1, 2, 3], steps }, shape);
  return g.gemm(asRows(g, dy), asRows(g, met), null, { transA: true });
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
