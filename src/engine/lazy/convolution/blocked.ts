/**
 * Direct convolutions on channels in blocks: `ReorderInput`, `BlockedConv` and `ReorderOutput`. ONNX Runtime has them for
 * itself and uses them only where weights are constant; here they are called by name. Three to four times as fast as its plain Conv at the sizes of a small video autoencoder.
 *
 * - data: [N, C/b, H, W, b], shown to ONNX as [N, C, H, W]; C is padded to the block b
 * - weights: [Out/b, In/b, kH, kW, b (in), b (out)], shown as [Out, In, kH, kW]
 * - frames: kT convolutions over shifted frames, each adding to the one before through the operator's sum input
 *
 * Where an engine has no such operators, its `channelBlock` is 0.
 */
import type { GraphBuilder, Operand, Value } from '../../graph/index.ts';
import type { ConvInputs, Geometry } from './geometry.ts';

/** Whether the blocked kernels can and should do this convolution: padding few channels to a block would be waste. */
export function suitsBlocks(geometry: Geometry, g: GraphBuilder): boolean {
  const { inputs, outputs, groups } = geometry;
  if (groups !== 1 || inputs % 4 !== 0) return false;
  const block = g.channelBlock;
  return block > 0 && inputs > block / 2 && outputs >= block / 2;
}

const none = [0, 0] as const;

function padded(channels: number, block: number): number {
  return Math.ceil(channels / block) * block;
}

/** [Out, In, kT, kH, kW] -> kT of [Out, In, kH, kW] in blocks. */
function blockedWeights(weight: Value, block: number, g: GraphBuilder): Value[] {
  const [out, into, frames, rows, columns] = weight.shape as [number, number, number, number, number];
  const [wide, deep] = [padded(out, block), padded(into, block)];
  const full = g.pad(weight, [[0, wide - out], [0, deep - into], none, none, none]);
  const split = g.reshape(full, [wide / block, block, deep / block, block, frames, rows * columns]);
  const ordered = g.transpose(split, [4, 0, 2, 5, 3, 1]); // -> [kT, Out/b, In/b, kH*kW, b (in), b (out)]
  const shown = g.reshape(ordered, [frames, wide, deep, rows, columns]);
  return g.split(shown, frames).map((tap) => g.reshape(tap, [wide, deep, rows, columns]));
}

/** For each tap in time the frames that it meets, in blocks: kT of [B*F', C, H, W]. */
function blockedFrames(x: Value, geometry: Geometry, block: number, g: GraphBuilder): Value[] {
  const { batch, inputs, size, kernel, before, after, stride, result } = geometry;
  const [frames, height, width] = size;
  const deep = padded(inputs, block);
  const images = g.reshape(x, [batch * frames, height, width, inputs]); // [B, F, H, W, C] -> [B*F, H, W, C]
  const shown = [batch * frames, deep, height, width];
  const blocked = g.node('ReorderInput', [images], { channels_last: true }, shown, 'float32');
  if (frames === result[0] && kernel[0] === 1) return [blocked];
  const pixels = deep * height * width;
  const clip = g.pad(g.reshape(blocked, [batch, frames, pixels]), [none, [before[0], after[0]], none]);
  return Array.from({ length: kernel[0] }, (_, tap) => {
    const end = tap + (result[0] - 1) * stride[0] + 1;
    const slice = { starts: [tap], ends: [end], axes: [1], steps: [stride[0]] };
    const met = g.steps(clip, slice, [batch, result[0], pixels]);
    return g.reshape(met, [batch * result[0], deep, height, width]);
  });
}

/** The convolution of a geometry that `suitsBlocks`. */
export function blockedConvolution({ x, weight, bias }: ConvInputs, geometry: Geometry, g: GraphBuilder): Value {
  const { batch, outputs, result, kernel, stride, dilation, before, after } = geometry;
  const block = g.channelBlock;
  const wide = padded(outputs, block);
  const [frames, height, width] = result;
  const weights = blockedWeights(weight, block, g);
  const attributes = {
    kernel_shape: kernel.slice(1),
    strides: stride.slice(1),
    dilations: dilation.slice(1),
    pads: [...before.slice(1), ...after.slice(1)],
  };
  const start = bias ? g.pad(bias, [[0, wide - outputs]]) : g.absent;
  let sum: Value | null = null;
  for (const [tap, met] of blockedFrames(x, geometry, block, g).entries()) {
    const operands: Operand[] = sum ? [met, weights[tap]!, g.absent, sum] : [met, weights[tap]!, start];
    sum = g.node('BlockedConv', operands, attributes, [batch * frames, wide, height, width], 'float32');
  }
  const shape = [batch * frames, height, width, outputs];
  const y = g.node('ReorderOutput', [sum!], { channels: outputs, channels_last: true }, shape, 'float32');
  return g.reshape(y, [batch, frames, height, width, outputs]); // [B*F', H', W', Out] -> [B, F', H', W', Out]
}
