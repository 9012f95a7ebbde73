/** One refinement step: what is seen around the current flow changes a hidden state, which changes the flow. */
import { conv2d } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part, WeightView } from '../../nn/index.ts';
import { affine } from '../layers/index.ts';
import type { RaftConfig } from './config.ts';

/** Inputs of a step, each [B, h, w, channels]. */
export interface UpdateInput {
  readonly hidden: Tensor;
  readonly context: Tensor;
  readonly correlations: Tensor;
  /** In pixels of the coarse grid. */
  readonly flow: Tensor;
}

/** The next hidden state and the change of the flow, [B, h, w, hidden] and [B, h, w, 2]. */
export function updateStep(net: Part<RaftConfig>, input: UpdateInput): { hidden: Tensor; change: Tensor } {
  const { weights, config } = net;
  const motion = encodeMotion({ weights: weights.at('motion_encoder'), config }, input);
  const seen = tf.concat([input.context, motion], 3);
  const hidden = config.recurrent_block_kernel_size.reduce((state, _, i) => {
    return recurrentUnit(weights.at(`recurrent_block.convgru${i + 1}`), state, seen);
  }, input.hidden);
  const wide = tf.relu(same(weights, 'flow_head.conv1', hidden));
  return { hidden, change: same(weights, 'flow_head.conv2', wide) };
}

function encodeMotion(net: Part<RaftConfig>, { correlations, flow }: UpdateInput): Tensor {
  const { weights, config } = net;
  const layer = (name: string, x: Tensor): Tensor => tf.relu(same(weights, `${name}.0`, x));
  const narrow = layer('convcorr1', correlations);
  const seen = config.motion_encoder_corr_layers.length > 1 ? layer('convcorr2', narrow) : narrow;
  const moved = layer('convflow2', layer('convflow1', flow));
  return tf.concat([layer('conv', tf.concat([seen, moved], 3)), flow], 3);
}

/** Convolutional GRU: h' = (1 - z) h + z q, q = tanh(conv[r h, x]). */
function recurrentUnit(weights: WeightView, hidden: Tensor, x: Tensor): Tensor {
  const both = tf.concat([hidden, x], 3);
  const update = tf.sigmoid(same(weights, 'convz', both));
  const reset = tf.sigmoid(same(weights, 'convr', both));
  const proposal = tf.tanh(same(weights, 'convq', tf.concat([tf.mul(reset, hidden), x], 3)));
  return tf.add(hidden, tf.mul(update, tf.sub(proposal, hidden)));
}

/** A convolution that keeps height and width. */
function same(weights: WeightView, name: string, x: Tensor): Tensor {
  const [weight, bias] = affine(weights, name);
  const [rows, columns] = weight.shape.slice(2).map((extent) => (extent - 1) / 2) as [number, number];
  return conv2d(x, weight, bias, { padding: [rows, rows, columns, columns] });
}

/** Mixing weights of upsampling before the softmax, [B, h, w, 576]; its scale of 0.25 balances gradients. */
export function upsamplingMask(weights: WeightView, hidden: Tensor): Tensor {
  const wide = tf.relu(same(weights, 'convrelu.0', hidden));
  return tf.mul(same(weights, 'conv', wide), 0.25);
}
