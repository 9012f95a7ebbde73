import { conv2d } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { WeightView } from '../../nn/index.ts';
import { affine, instanceNorm } from '../layers/index.ts';
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
