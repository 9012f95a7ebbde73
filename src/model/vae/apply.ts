/** The arithmetic of each kind of layer. Source: Wan2.1 wan/modules/vae.py (`ResidualBlock`, `AttentionBlock`). */
import { flush } from '../../engine/index.ts';
import { attention, linear, rmsNorm, silu } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Tapped, ValueTap, WeightView } from '../../nn/index.ts';
import {
  type ChunkContext,
  causalConv,
  downsample2d,
  downsample3d,
  type LayerCall,
  perFrame,
  upsample2d,
  upsample3d,
} from './causal.ts';
import type { VaeLayer, VaeLayerKind } from './layers.ts';

const arithmetic: Record<VaeLayerKind, (call: LayerCall, x: Tensor) => Tensor> = {
  conv: (call, x) => causalConv(call, x, ''),
  pointwise: (call, x) => pointwise(call, x, call.name),
  residual,
  attention: attentionBlock,
  head: (call, x) => causalConv(call, normSilu(call, x, '0.gamma'), '2'),
  downsample2d,
  downsample3d,
  upsample2d,
  upsample3d,
};

/** From this many elements on (64 MiB) an activation is worth computing a layer, and a frame, by itself. */
export const largeActivation: number = 2 ** 24;

/** How layers are applied. */
export interface LayerOptions extends Tapped {
  /** Elements from which on an activation counts as large. @defaultValue {@link largeActivation} */
  readonly large?: number | undefined;
}

/**
 * Runs layers over one chunk x [B,F,H,W,C]. Between layers only the running value and the slots stay in memory; from
 * where the value is large on, the frames of the chunk pass the remaining layers one by one.
 */
export function applyLayers(
  layers: readonly VaeLayer[],
  weights: WeightView,
  x: Tensor,
  chunk: ChunkContext,
  options: LayerOptions = {},
): Tensor {
  const { onValue, large = largeActivation } = options;
  let value = x;
  for (const [i, layer] of layers.entries()) {
    const rest = layers.slice(i);
    const isSplit = value.size >= large && runsByFrame(rest, value);
    const result = isSplit
      ? applyByFrame(rest, weights, value, chunk, options)
      : applyLayer(layer, weights, value, chunk, onValue);
    if (value !== x) value.dispose();
    value = result;
    if (isSplit) break;
    const withPast = value.size * (1 + 2 / value.shape[1]!); // the two frames before it, which convolutions see, included
    if (withPast >= large) flush(); // an engine that puts work off would plan for many layers at once
  }
  return value;
}

function applyLayer(
  { kind, name }: VaeLayer,
  weights: WeightView,
  x: Tensor,
  chunk: ChunkContext,
  onValue?: ValueTap,
): Tensor {
  const { output, slots } = tf.tidy(() => {
    const next = chunk.next && {};
    const result = arithmetic[kind]({ weights, name, chunk: { ...chunk, next } }, x);
    onValue?.(name, result);
    return { output: result, slots: next ?? {} };
  });
  if (chunk.next) Object.assign(chunk.next, slots);
  if (chunk.consume) tf.dispose(slotsOf(chunk.past, name));
  return output;
}

/** Slots of the operations of one layer. */
function slotsOf(past: Readonly<Record<string, Tensor>>, layer: string): Tensor[] {
  const isOwn = (slot: string): boolean => slot === layer || slot.startsWith(`${layer}.`);
  return Object.entries(past).flatMap(([slot, tensor]) => (isOwn(slot) ? [tensor] : []));
}

/** Halving time needs frames in pairs; every other layer takes them one by one. */
function runsByFrame(layers: readonly VaeLayer[], x: Tensor): boolean {
  return x.shape[1]! > 1 && layers.every(({ kind }) => kind !== 'downsample3d');
}

/** Frames as chunks of their own: the same numbers, and the activations of one frame at a time. */
function applyByFrame(
  layers: readonly VaeLayer[],
  weights: WeightView,
  x: Tensor,
  chunk: ChunkContext,
  options: LayerOptions,
): Tensor {
  const count = x.shape[1]!;
  let { past, consume } = chunk;
  const outputs = Array.from({ length: count }, (_, i) => {
    const frame = x.slice([0, i], [-1, 1]); // [B,1,H,W,C]
    const next = i < count - 1 ? {} : chunk.next;
    const output = applyLayers(layers, weights, frame, { first: chunk.first && i === 0, past, next, consume }, options);
    frame.dispose();
    past = next ?? {};
    consume = true;
    return output;
  });
  const joined = tf.concat(outputs, 1);
  tf.dispose(outputs);
  return joined;
}

/** x + conv(silu(norm(conv(silu(norm x))))), the shortcut being a 1×1×1 convolution where channels change. */
function residual(call: LayerCall, x: Tensor): Tensor {
  const hidden = causalConv(call, normSilu(call, x, 'residual.0.gamma'), 'residual.2');
  const change = causalConv(call, normSilu(call, hidden, 'residual.3.gamma'), 'residual.6');
  const isWidened = x.shape[4] !== change.shape[4];
  return tf.add(change, isWidened ? pointwise(call, x, `${call.name}.shortcut`) : x);
}

/** x + proj(attention(norm x)), one head, each frame by itself. */
function attentionBlock(call: LayerCall, x: Tensor): Tensor {
  const attended = perFrame(x, (images) => {
    const [n, h, w, c] = images.shape as [number, number, number, number];
    const normed = channelNorm(images, call.weights.get(`${call.name}.norm.gamma`));
    const qkv = pointwise(call, normed, `${call.name}.to_qkv`).reshape([n, h * w, 1, 3 * c]); // [B·F,L,1,3C]
    const [q, k, v] = tf.split(qkv, 3, 3) as [Tensor, Tensor, Tensor];
    const mixed = attention(q, k, v, { scale: 1 / Math.sqrt(c) }).reshape([n, h, w, c]);
    return pointwise(call, mixed, `${call.name}.proj`);
  });
  return tf.add(x, attended);
}

function normSilu(call: LayerCall, x: Tensor, gamma: string): Tensor {
  return silu(channelNorm(x, call.weights.get(`${call.name}.${gamma}`)));
}

/**
 * x / ‖x‖ · √C · γ over the channels. The reference bounds the norm below by 1e-12; the same bound added under the
 * root of the mean square differs only where ‖x‖ is of that size.
 */
function channelNorm(x: Tensor, gamma: Tensor): Tensor {
  const channels = gamma.size;
  return rmsNorm(x, gamma.reshape([channels]), 1e-24 / channels);
}

/** Convolution of kernel 1: a linear map of the channels. */
function pointwise({ weights }: LayerCall, x: Tensor, prefix: string): Tensor {
  const weight = weights.get(`${prefix}.weight`);
  return linear(x, weight.reshape([weight.shape[0]!, weight.shape[1]!]), weights.get(`${prefix}.bias`));
}
