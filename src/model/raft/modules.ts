/** The parts of RAFT: encoders, the recurrent step that corrects the flow, and upsampling to full resolution. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part, WeightView } from '../../nn/index.ts';
import { instanceNorm, sameConv } from '../layers/layers.ts';
import { resample } from '../preprocess/preprocess.ts';
import type { RaftConfig } from './weights.ts';

/** How an encoder is built; its norm is over each image's pixels, by running statistics, or none. */
export interface EncoderSettings {
  readonly block: RaftConfig['encoder_block'];
  readonly norm: 'instance' | 'batch' | 'none';
}

/** Features at an eighth of the resolution: [B, H, W, 3] in [-1, 1] -> [B, H/8, W/8, C]. */
export function encodeImage(weights: WeightView, settings: EncoderSettings, images: Tensor): Tensor {
  return tf.tidy(() => {
    let x: Tensor = tf.relu(convNorm(weights, 'convnormrelu', images, 2, settings));
    for (const stage of [1, 2, 3]) {
      x = residualBlock(weights.at(`layer${stage}.0`), x, stage === 1 ? 1 : 2, settings);
      x = residualBlock(weights.at(`layer${stage}.1`), x, 1, settings);
    }
    return sameConv(weights, 'conv', x);
  });
}

/** relu(x + f(x)), f ending in a ReLU of its own; a 1x1 convolution brings x to f's size where it strides. */
function residualBlock(weights: WeightView, x: Tensor, stride: number, settings: EncoderSettings): Tensor {
  return tf.tidy(() => {
    const strides = settings.block === 'residual' ? [stride, 1] : [1, stride, 1];
    const change = strides.reduce((y, step, i) => {
      return tf.relu(convNorm(weights, `convnormrelu${i + 1}`, y, step, settings));
    }, x);
    return tf.relu(tf.add(stride === 1 ? x : convNorm(weights, 'downsample', x, stride, settings), change));
  });
}

function convNorm(weights: WeightView, name: string, x: Tensor, stride: number, { norm }: EncoderSettings): Tensor {
  const y = sameConv(weights, `${name}.0`, x, stride);
  if (norm === 'instance') return instanceNorm(y);
  return norm === 'batch' ? batchNorm(weights.at(`${name}.1`), y) : y;
}

function batchNorm(weights: WeightView, x: Tensor): Tensor {
  const scale = tf.mul(weights.get('weight'), tf.rsqrt(tf.add(weights.get('running_var'), 1e-5)));
  const shift = tf.sub(weights.get('bias'), tf.mul(weights.get('running_mean'), scale));
  return tf.add(tf.mul(x, scale), shift);
}

/** Inputs of a step, each [B, h, w, channels]; the flow is in pixels of the coarse grid. */
export type UpdateInput = Readonly<Record<'hidden' | 'context' | 'correlations' | 'flow', Tensor>>;

/** The next hidden state and the change of the flow, [B, h, w, hidden] and [B, h, w, 2]. */
export function updateStep(net: Part<RaftConfig>, input: UpdateInput): { hidden: Tensor; change: Tensor } {
  const { weights, config } = net;
  const motion = encodeMotion({ weights: weights.at('motion_encoder'), config }, input);
  const seen = tf.concat([input.context, motion], 3);
  const hidden = config.recurrent_block_kernel_size.reduce((state, _, i) => {
    return recurrentUnit(weights.at(`recurrent_block.convgru${i + 1}`), state, seen);
  }, input.hidden);
  const wide = tf.relu(sameConv(weights, 'flow_head.conv1', hidden));
  return { hidden, change: sameConv(weights, 'flow_head.conv2', wide) };
}

function encodeMotion(net: Part<RaftConfig>, { correlations, flow }: UpdateInput): Tensor {
  const { weights, config } = net;
  const layer = (name: string, x: Tensor): Tensor => tf.relu(sameConv(weights, `${name}.0`, x));
  const narrow = layer('convcorr1', correlations);
  const seen = config.motion_encoder_corr_layers.length > 1 ? layer('convcorr2', narrow) : narrow;
  const moved = layer('convflow2', layer('convflow1', flow));
  return tf.concat([layer('conv', tf.concat([seen, moved], 3)), flow], 3);
}

/** Convolutional GRU: h' = (1 - z) h + z q, q = tanh(conv[r h, x]). */
function recurrentUnit(weights: WeightView, hidden: Tensor, x: Tensor): Tensor {
  const both = tf.concat([hidden, x], 3);
  const update = tf.sigmoid(sameConv(weights, 'convz', both));
  const reset = tf.sigmoid(sameConv(weights, 'convr', both));
  const proposal = tf.tanh(sameConv(weights, 'convq', tf.concat([tf.mul(reset, hidden), x], 3)));
  return tf.add(hidden, tf.mul(update, tf.sub(proposal, hidden)));
}

/** Mixing weights of upsampling before the softmax, [B, h, w, 576]; its scale of 0.25 balances gradients. */
export function upsamplingMask(weights: WeightView, hidden: Tensor): Tensor {
  const wide = tf.relu(sameConv(weights, 'convrelu.0', hidden));
  return tf.mul(sameConv(weights, 'conv', wide), 0.25);
}

const factor = 8;

/** Flow at eight times the resolution, corners aligned: [B, h, w, 2] -> [B, 8h, 8w, 2]. */
export function upsampleBilinear(flow: Tensor): Tensor {
  const [, h, w] = flow.shape as [number, number, number];
  const plan = (from: number) => ({ from, to: factor * from });
  const filter = { kernel: 'bilinear', antialias: false, alignCorners: true } as const;
  return tf.tidy(() => tf.mul(resample(flow, plan(h), plan(w), filter), factor));
}

/**
 * Flow [B, h, w, 2] at eight times the resolution, each new value a mixture of the 3x3 coarse values around it by a mask
 * [B, h, w, 9 * 64]: neighbour, then place in the 8x8 cell; made to sum to 1 over neighbours.
 */
export function upsampleConvex(flow: Tensor, mask: Tensor): Tensor {
  const [batch, h, w] = flow.shape as [number, number, number];
  const cells = batch * h * w;
  return tf.tidy(() => {
    const byNeighbour = tf.transpose(tf.reshape(mask, [cells, 9, factor * factor]), [0, 2, 1]); // [P, 64, 9]
    const around = tf.reshape(neighbours(tf.mul(flow, factor)), [cells, 9, 2]);
    const fine = tf.matMul(tf.softmax(byNeighbour), around); // [P, 64, 2]
    const grid = tf.reshape(fine, [batch * h, w, factor, factor * 2]);
    // [B h, w, 8, 8 2] -> [B h, 8, w, 8 2] -> [B, 8h, 8w, 2]
    return tf.reshape(tf.transpose(grid, [0, 2, 1, 3]), [batch, h * factor, w * factor, 2]);
  });
}

/** The 3x3 values around each value, 0 outside, row by row: [B, h, w, 2] -> [B, h, w, 9, 2]. */
function neighbours(x: Tensor): Tensor {
  const [batch, h, w, channels] = x.shape as [number, number, number, number];
  const around: [number, number] = [1, 1];
  const padded = tf.pad(x, [[0, 0], around, around, [0, 0]]);
  const shifted = Array.from({ length: 9 }, (_, i) => {
    return tf.slice(padded, [0, Math.floor(i / 3), i % 3, 0], [batch, h, w, channels]);
  });
  return tf.stack(shifted, 3);
}
