/**
 * Causal operations on a chunk of a longer clip. Every operation looks left only, so a clip gives the same result
 * evaluated at once or chunk by chunk, as long as each operation remembers the end of its previous input: its slot.
 * The first frame of a clip is special: temporal resampling passes it through, and upsampling never looks back at it.
 * Source: Wan2.1 wan/modules/vae.py (`CausalConv3d`, `Resample`).
 */
import { conv2d, conv3d } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { WeightView } from '../../nn/index.ts';
import { affine } from '../layers/layers.ts';

/** What the operations of one chunk read from the chunk before, and leave for the chunk after. */
export interface ChunkContext {
  /** Whether the chunk begins the clip. */
  readonly first: boolean;
  /** Slots left by the previous chunk, by the name of the operation. */
  readonly past: Readonly<Record<string, Tensor>>;
  /** Takes the slots for the next chunk; null when there is none (a whole clip at once). */
  readonly next: Record<string, Tensor> | null;
  /** Whether each slot of the previous chunk is freed as soon as its layer has read it. */
  readonly consume: boolean;
}

/** The weights of one layer and the chunk that it works on. */
export interface LayerCall {
  readonly weights: WeightView;
  readonly chunk: ChunkContext;
  readonly name: string;
}

/** Halves height and width, then frames: frame 0 is kept, later ones are convolved in steps of two. x [B,F,H,W,C]. */
export function downsample3d(call: LayerCall, x: Tensor): Tensor {
  const y = downsample2d(call, x);
  const { first, past, next } = call.chunk;
  const slot = `${call.name}.time_conv`;
  if (next) next[slot] = lastFrames(y, 1);
  if (first && frames(y) === 1) return y;
  const seen = first ? y : tf.concat([past[slot]!, y], 1);
  const [weight, bias] = parameters(call, 'time_conv');
  const halved = conv3d(seen, weight, bias, { stride: [2, 1, 1] });
  return first ? tf.concat([firstFrames(y, 1), halved], 1) : halved;
}

/** Doubles the frames after frame 0, then height and width. x [B,F,H,W,C] gives [B,F',2H,2W,C/2]. */
export function upsample3d(call: LayerCall, x: Tensor): Tensor {
  if (!call.chunk.first) return upsample2d(call, doubleFrames(call, x));
  if (frames(x) === 1) return upsample2d(call, x);
  const later = doubleFrames(call, lastFrames(x, frames(x) - 1));
  return upsample2d(call, tf.concat([firstFrames(x, 1), later], 1));
}

/** 3×3 convolution of step 2 over each frame, with one row of zeros below and one column to the right. */
export function downsample2d(call: LayerCall, x: Tensor): Tensor {
  const [weight, bias] = parameters(call, 'resample.1');
  return perFrame(x, (y) => conv2d(y, weight, bias, { stride: 2, padding: [0, 1, 0, 1] }));
}

/** Each pixel becomes 2×2 equal pixels, then a 3×3 convolution to half the channels. */
export function upsample2d(call: LayerCall, x: Tensor): Tensor {
  const [weight, bias] = parameters(call, 'resample.1');
  return perFrame(x, (y) => conv2d(repeatPixels(y), weight, bias, { stride: 1, padding: 1 }));
}

/** Applies `f` to all frames as one batch of images. x [B,F,H,W,C] → [B·F,H,W,C] → f → [B,F,H',W',C']. */
export function perFrame(x: Tensor, f: (images: Tensor) => Tensor): Tensor {
  const [b, t, h, w, c] = x.shape as [number, number, number, number, number];
  const y = f(x.reshape([b * t, h, w, c]));
  return y.reshape([b, t, ...y.shape.slice(1)]);
}

/**
 * Causal convolution of x [B,F,H,W,C] with its left context, two frames or none; what the slot does not supply is zeros.
 * `part` is the parameter's name below the layer, '' for the layer itself; `border` is the padding of height and width.
 */
export function causalConv(call: LayerCall, x: Tensor, part: string, border: number = 1): Tensor {
  const { past, next } = call.chunk;
  const [weight, bias] = parameters(call, part);
  const before = weight.shape[2]! - 1;
  const slot = path(call.name, part);
  const context = past[slot];
  const seen = context ? tf.concat([context, x], 1) : x;
  if (next && before > 0) next[slot] = lastFrames(seen, Math.min(before, frames(seen)));
  const missing = before - (context ? frames(context) : 0);
  const side: [number, number] = [border, border];
  return conv3d(seen, weight, bias, { stride: [1, 1, 1], padding: [[missing, 0], side, side] });
}

/** Temporal convolution to twice the channels, whose halves are frames 2i and 2i + 1. */
function doubleFrames(call: LayerCall, x: Tensor): Tensor {
  const y = causalConv(call, x, 'time_conv', 0);
  const [b, t, h, w, c] = y.shape as [number, number, number, number, number];
  const pairs = y.reshape([b, t, h * w, 2, c / 2]).transpose([0, 1, 3, 2, 4]); // [B,F,2,H·W,C]
  return pairs.reshape([b, 2 * t, h, w, c / 2]);
}

/** Nearest-neighbour enlargement by two, by repeating channels, then rows, in memory order. */
function repeatPixels(x: Tensor): Tensor {
  const [b, h, w, c] = x.shape as [number, number, number, number];
  const wide = tf.concat([x, x], 3).reshape([b, h, 2 * w * c]); // [B,H,W,2C] read as [B,H,2W·C]
  return tf.concat([wide, wide], 2).reshape([b, 2 * h, 2 * w, c]);
}

function parameters({ weights, name }: LayerCall, part: string): [Tensor, Tensor] {
  return affine(weights, path(name, part));
}

function path(name: string, part: string): string {
  return part === '' ? name : `${name}.${part}`;
}

function frames(x: Tensor): number {
  return x.shape[1]!;
}

function firstFrames(x: Tensor, count: number): Tensor {
  return x.slice([0, 0], [-1, count]);
}

function lastFrames(x: Tensor, count: number): Tensor {
  return x.slice([0, frames(x) - count], [-1, count]);
}
