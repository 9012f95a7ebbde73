/** The parts of RAFT: encoders, the recurrent step that corrects the flow, and upsampling to full resolution. */
import { conv2d } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part, WeightView } from '../../nn/index.ts';
import { affine, instanceNorm } from '../layers/index.ts';
import { resample } from '../preprocess/index.ts';
import type { RaftConfig } from './config.ts';

/** Norm after a convolution: over each image's pixels, by running statistics, or none. */
export type EncoderNorm = 'instance' | 'batch' | 'none';

const epsilon = 1e-5;

/** How an encoder is built. */
export interface EncoderSettings {
  readonly block: RaftConfig['encoder_block'];
  readonly norm: EncoderNorm;
}

/** Features at an eighth of the resolution: [B, H, W, 3] in [-1, 1] -> [B, H/8, W/8, C]. */
export function encodeImage(weights: WeightView, { block, norm }: EncoderSettings, images: Tensor): Tensor {
  return tf.tidy(() => {
    let x = convNormRelu(weights, 'convnormrelu', images, { stride: 2, norm });
    for (const stage of [1, 2, 3]) {
      x = residualBlock(weights.at(`layer${stage}.0`), block, x, { stride: stage === 1 ? 1 : 2, norm });
      x = residualBlock(weights.at(`layer${stage}.1`), block, x, { stride: 1, norm });
    }
    return conv2d(x, ...affine(weights, 'conv'));
  });
}

interface LayerSettings {
  readonly stride: number;
  readonly norm: EncoderNorm;
}

/** relu(x + f(x)), f ending in a ReLU of its own; a 1x1 convolution brings x to f's size where it strides. */
function residualBlock(
  weights: WeightView,
  block: RaftConfig['encoder_block'],
  x: Tensor,
  { stride, norm }: LayerSettings,
): Tensor {
  return tf.tidy(() => {
    const strides = block === 'residual' ? [stride, 1] : [1, stride, 1];
    const change = strides.reduce((y, step, i) => {
      return convNormRelu(weights, `convnormrelu${i + 1}`, y, { stride: step, norm });
    }, x);
    const shortcut = stride === 1 ? x : convNorm(weights, 'downsample', x, { stride, norm });
    return tf.relu(tf.add(shortcut, change));
  });
}

function convNormRelu(weights: WeightView, name: string, x: Tensor, settings: LayerSettings): Tensor {
  return tf.relu(convNorm(weights, name, x, settings));
}

function convNorm(weights: WeightView, name: string, x: Tensor, { stride, norm }: LayerSettings): Tensor {
  const padding = ((weights.get(`${name}.0.weight`).shape[3] as number) - 1) / 2;
  const y = conv2d(x, ...affine(weights, `${name}.0`), { stride, padding });
  if (norm === 'instance') return instanceNorm(y);
  return norm === 'batch' ? batchNorm(weights.at(`${name}.1`), y) : y;
}

function batchNorm(weights: WeightView, x: Tensor): Tensor {
  const scale = tf.mul(weights.get('weight'), tf.rsqrt(tf.add(weights.get('running_var'), epsilon)));
  const shift = tf.sub(weights.get('bias'), tf.mul(weights.get('running_mean'), scale));
  return tf.add(tf.mul(x, scale), shift);
}

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

const factor = 8;

/** Flow at eight times the resolution, corners aligned: [B, h, w, 2] -> [B, 8h, 8w, 2]. */
export function upsampleBilinear(flow: Tensor): Tensor {
  const [, h, w] = flow.shape as [number, number, number];
  const [rows, columns] = [h, w].map((from) => ({ from, to: factor * from })) as [
    { from: number; to: number },
    { from: number; to: number },
  ];
  const filter = { kernel: 'bilinear', antialias: false, alignCorners: true } as const;
  return tf.tidy(() => tf.mul(resample(flow, rows, columns, filter), factor));
}

/**
 * Flow at eight times the resolution, each new value a mixture of the 3x3 coarse values around it.
 *
 * @param flow - [B, h, w, 2]
 * @param mask - [B, h, w, 9 * 64]: neighbour, then place in the 8x8 cell; made to sum to 1 over neighbours
 * @returns [B, 8h, 8w, 2]
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
  const padded = tf.pad(x, [
    [0, 0],
    [1, 1],
    [1, 1],
    [0, 0],
  ]);
  const shifted = Array.from({ length: 9 }, (_, i) => {
    return tf.slice(padded, [0, Math.floor(i / 3), i % 3, 0], [batch, h, w, channels]);
  });
  return tf.stack(shifted, 3);
}
