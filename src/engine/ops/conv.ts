/**
 * Convolutions on channels-last data with weights in PyTorch's layout and zero padding. Both run through one
 * fused operation, `conv`, on [B, F, H, W, C] with a [Out, In, kT, kH, kW] weight; a 2-D convolution has
 * one frame and kT = 1.
 */
import { type Tensor, type Tensor4D, type Tensor5D, tf } from '../tf.ts';
import { type ConvWindow, defineFused, expectShape } from './fused.ts';

/** Before and after. */
type Pair = [number, number];
type Triple<T> = [T, T, T];
const none: Pair = [0, 0];

export interface Conv2dOptions {
  /** Step in both directions, or [vertical, horizontal]; 1 unless given. */
  stride?: number | [number, number];
  /** Zeros on all sides, or [top, bottom, left, right]; 0 unless given. */
  padding?: number | [number, number, number, number];
  /** Distance of the taps in both directions; 1 unless given. */
  dilation?: number;
  /** Groups of channels that do not see each other; 1 unless given. */
  groups?: number;
}

export interface Conv3dOptions {
  /** [frames, vertical, horizontal]; 1 unless given. */
  stride?: Triple<number>;
  /** Zeros before and after along frames, height, width; 0 unless given. A causal convolution pads frames [k - 1, 0]. */
  padding?: Triple<Pair>;
}

/**
 * 2-D convolution (cross-correlation, as in every deep-learning library).
 *
 * @param x - [B, H, W, C]
 * @param weight - [Out, C/groups, kH, kW]
 * @param bias - [Out], or null for none
 * @returns [B, H', W', Out], H' = floor((H + top + bottom - dilation (kH - 1) - 1) / stride) + 1
 */
export function conv2d(x: Tensor, weight: Tensor, bias: Tensor | null, options: Conv2dOptions = {}): Tensor {
  const { stride = 1, padding = 0, dilation = 1, groups = 1 } = options;
  expectShape('conv2d', 'x', x, ['B', 'H', 'W', 'C']);
  expectShape('conv2d', 'weight', weight, ['Out', (x.shape[3] as number) / groups, 'kH', 'kW']);
  const [rows, columns] = typeof stride === 'number' ? [stride, stride] : stride;
  const [top, bottom, left, right] = typeof padding === 'number' ? [padding, padding, padding, padding] : padding;
  const around: Triple<Pair> = [none, [top, bottom], [left, right]];
  const geometry: ConvWindow = { stride: [1, rows, columns], padding: around, dilation, groups };
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const [out, into, kH, kW] = weight.shape as [number, number, number, number];
  const frames = tf.reshape(x, [batch, 1, height, width, channels]); // [B, H, W, C] -> [B, 1, H, W, C]
  const y = convolve('conv2d', frames, tf.reshape(weight, [out, into, 1, kH, kW]), bias, geometry);
  return tf.squeeze(y, [1]); // [B, 1, H', W', Out] -> [B, H', W', Out]
}

/**
 * 3-D convolution over frames, height and width.
 *
 * @param x - [B, F, H, W, C]
 * @param weight - [Out, C, kT, kH, kW]
 * @param bias - [Out], or null for none
 * @returns [B, F', H', W', Out], F' = floor((F + before + after - kT) / stride) + 1
 */
export function conv3d(x: Tensor, weight: Tensor, bias: Tensor | null, options: Conv3dOptions = {}): Tensor {
  const { stride = [1, 1, 1], padding = [none, none, none] } = options;
  expectShape('conv3d', 'x', x, ['B', 'F', 'H', 'W', 'C']);
  expectShape('conv3d', 'weight', weight, ['Out', x.shape[4] as number, 'kT', 'kH', 'kW']);
  return convolve('conv3d', x, weight, bias, { stride, padding, dilation: 1, groups: 1 });
}

function convolve(operation: string, x: Tensor, weight: Tensor, bias: Tensor | null, geometry: ConvWindow): Tensor {
  if (bias) expectShape(operation, 'bias', bias, [weight.shape[0] as number]);
  expectRoom(operation, x, weight, geometry);
  return fusedConv({ x, weight, ...(bias && { bias }) }, geometry);
}

function expectRoom(operation: string, x: Tensor, weight: Tensor, { padding, dilation, groups }: ConvWindow): void {
  if ((weight.shape[0] as number) % groups !== 0) {
    throw new Error(
      `${operation}: weight has ${weight.shape[0]} output channels, wanted a multiple of groups = ${groups}`,
    );
  }
  padding.forEach(([before, after], i) => {
    const size = (x.shape[i + 1] as number) + before + after;
    const reach = i === 0 ? (weight.shape[2] as number) : dilation * ((weight.shape[i + 2] as number) - 1) + 1;
    if (size >= reach) return;
    throw new Error(
      `${operation}: x has shape [${x.shape}] and weight [${weight.shape}]: axis ${'FHW'[i]} has ${size} ` +
        `positions with its padding, wanted at least ${reach}; pad more`,
    );
  });
}

const fusedConv = defineFused('conv', ({ x, weight, bias }, geometry) => {
  const { padding, groups } = geometry;
  const around = padding.map(([before, after]): Pair => [before, after]);
  const padded = tf.pad(x, [[0, 0], ...around, [0, 0]]);
  const inputs = groups === 1 ? [padded] : tf.split(padded, groups, 4);
  const weights = groups === 1 ? [weight] : tf.split(weight, groups, 0);
  const outputs = inputs.map((part, i) => ungrouped(part as Tensor5D, weights[i] as Tensor5D, geometry));
  const y = groups === 1 ? (outputs[0] as Tensor) : tf.concat(outputs, 4);
  return bias ? tf.add(y, bias) : y;
});

function ungrouped(x: Tensor5D, weight: Tensor5D, { stride, dilation }: ConvWindow): Tensor {
  const kernel = tf.transpose(weight, [2, 3, 4, 1, 0]); // [O, I, kT, kH, kW] -> [kT, kH, kW, I, O]
  const spread = dilate(dilate(kernel, 1, dilation), 2, dilation);
  const [batch, frames, height, width, channels] = x.shape;
  if (frames !== 1 || spread.shape[0] !== 1) return tf.conv3d(x, spread as Tensor5D, [...stride], 'valid');
  const image = tf.reshape(x, [batch, height, width, channels]) as Tensor4D; // one frame: [B, H, W, C]
  const y = tf.conv2d(image, tf.squeeze(spread, [0]) as Tensor4D, [stride[1], stride[2]], 'valid');
  return tf.expandDims(y, 1);
}

/** Puts factor - 1 zeros between the taps along an axis: a dilated convolution as a plain one. */
function dilate(kernel: Tensor, axis: number, factor: number): Tensor {
  if (factor === 1 || kernel.shape[axis] === 1) return kernel;
  const size = kernel.shape[axis] as number;
  const wide = tf.expandDims(kernel, axis + 1); // [..., k, 1, ...]
  const zeros = wide.shape.map((_, i): Pair => [0, i === axis + 1 ? factor - 1 : 0]);
  const merged = [...kernel.shape];
  merged[axis] = size * factor;
  const spread = tf.reshape(tf.pad(wide, zeros), merged); // [..., k * factor, ...]
  const wanted = [...merged];
  wanted[axis] = (size - 1) * factor + 1;
  const start = merged.map(() => 0);
  return tf.slice(spread, start, wanted);
}
