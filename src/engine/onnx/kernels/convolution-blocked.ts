/**
 * ONNX Runtime's direct convolutions on channels in blocks, which it uses by itself only where weights are
 * constant: `ReorderInput`, `Conv` and `ReorderOutput` of its internal domain com.microsoft.nchwc, called by name.
 * Three to four times as fast as its plain Conv at the sizes of a small video autoencoder.
 *
 * - data: [N, C/b, H, W, b], shown to ONNX as [N, C, H, W]; C is padded to the block b
 * - weights: [Out/b, In/b, kH, kW, b (in), b (out)], shown as [Out, In, kH, kW]
 * - frames: kT convolutions over shifted frames, each adding to the one before through the operator's sum input
 *
 * The block is 16 with AVX-512, 8 with AVX2, and there is none elsewhere: the first use asks the library.
 */
import type { GraphBuilder } from '../builder.ts';
import { Recorder } from '../recorder.ts';
import { Value } from '../value.ts';
import type { ConvInputs, Plan } from './convolution-plan.ts';

/** By builder: there is one for each started engine. */
const blockSizes = new WeakMap<GraphBuilder, number>();

/** Channels in a block, 0 where the library has no such kernels. */
function blockSize(g: GraphBuilder): number {
  const known = blockSizes.get(g);
  if (known !== undefined) return known;
  const asked = askBlockSize(g.recorder);
  blockSizes.set(g, asked);
  return asked;
}

/** Reorders 16 channels of 2 pixels in a recorder of its own: where channel 0's second pixel lands is the block. */
function askBlockSize({ runtime }: Recorder): number {
  const recorder = new Recorder(runtime);
  const pixels = Array.from({ length: 32 }, (_, i) => i);
  const x = new Value([1, 16, 1, 2], 'float32');
  recorder.write(x, pixels);
  const blocked = recorder.add('nchwc:ReorderInput', [x], null, [1, 16, 1, 2], 'float32');
  blocked.refs = 1;
  recorder.flush();
  const second = blocked.error ? -1 : recorder.read(blocked).indexOf(1);
  for (const value of [x, blocked]) recorder.free(value);
  recorder.sessions.clear();
  return second === 16 || second === 8 ? second : 0;
}

/** Whether the blocked kernels can and should do this convolution: padding few channels to a block would be waste. */
export function suitsBlocks(plan: Plan, g: GraphBuilder): boolean {
  const { inputs, outputs, groups } = plan;
  if (groups !== 1 || inputs % 4 !== 0) return false;
  const block = blockSize(g);
  return block > 0 && inputs > block / 2 && outputs >= block / 2;
}

function padded(channels: number, block: number): number {
  return Math.ceil(channels / block) * block;
}

/** [Out, In, kT, kH, kW] -> kT of [Out, In, kH, kW] in blocks. */
function blockedWeights(weight: Value, block: number, g: GraphBuilder): Value[] {
  const [out, into, frames, rows, columns] = weight.shape as [number, number, number, number, number];
  const [wide, deep] = [padded(out, block), padded(into, block)];
  const none: [number, number] = [0, 0];
  const full = g.pad(weight, [[0, wide - out], [0, deep - into], none, none, none]);
  const split = g.reshape(full, [wide / block, block, deep / block, block, frames, rows * columns]);
  const ordered = g.transpose(split, [4, 0, 2, 5, 3, 1]); // -> [kT, Out/b, In/b, kH*kW, b (in), b (out)]
  const shown = g.reshape(ordered, [frames, wide, deep, rows, columns]);
  return g.split(shown, frames).map((tap) => g.reshape(tap, [wide, deep, rows, columns]));
}

/** For each tap in time the frames that it meets, in blocks: kT of [B*F', C, H, W]. */
function blockedFrames(x: Value, plan: Plan, block: number, g: GraphBuilder): Value[] {
  const { batch, inputs, size, kernel, before, after, stride, result } = plan;
  const [frames, height, width] = size;
  const deep = padded(inputs, block);
  const images = g.reshape(x, [batch * frames, height, width, inputs]); // [B, F, H, W, C] -> [B*F, H, W, C]
  const shown = [batch * frames, deep, height, width];
  const blocked = g.node('nchwc:ReorderInput', [images], { channels_last: 1 }, shown, 'float32');
  if (frames === result[0] && kernel[0] === 1) return [blocked];
  const pixels = deep * height * width;
  const clip = g.pad(g.reshape(blocked, [batch, frames, pixels]), [
    [0, 0],
    [before[0], after[0]],
    [0, 0],
  ]);
  return Array.from({ length: kernel[0] }, (_, tap) => {
    const end = tap + (result[0] - 1) * stride[0] + 1;
    const operands = [clip, g.int64([tap]), g.int64([end]), g.int64([1]), g.int64([stride[0]])];
    const met = g.node('Slice', operands, null, [batch, result[0], pixels], 'float32');
    return g.reshape(met, [batch * result[0], deep, height, width]);
  });
}

/** The convolution of a plan that `suitsBlocks`. */
export function blockedConvolution({ x, weight, bias }: ConvInputs, plan: Plan, g: GraphBuilder): Value {
  const { batch, outputs, result, kernel, stride, dilation, before, after } = plan;
  const block = blockSize(g);
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
  for (const [tap, met] of blockedFrames(x, plan, block, g).entries()) {
    const operands = sum ? [met, weights[tap]!, g.absent, sum] : [met, weights[tap]!, start];
    sum = g.node('nchwc:Conv', operands, attributes, [batch * frames, wide, height, width], 'float32');
  }
  const shape = [batch * frames, height, width, outputs];
  const y = g.node('nchwc:ReorderOutput', [sum!], { channels: outputs, channels_last: 1 }, shape, 'float32');
  return g.reshape(y, [batch, frames, height, width, outputs]); // [B*F', H', W', Out] -> [B, F', H', W', Out]
}
