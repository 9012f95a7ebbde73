/** What AMT sees of the two pictures: features that correlations are taken of, and a pyramid of features. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Part, WeightView } from '../../nn/index.ts';
import { instanceNorm } from '../layers/index.ts';
import type { AmtConfig } from './config.ts';
import { activeConv, conv } from './layers.ts';

/** Features at an eighth of the resolution: [B, H, W, 3] -> [B, H/8, W/8, feat_dim]. */
export function correlationFeatures(weights: WeightView, images: Tensor): Tensor {
  return tf.tidy(() => {
    let x: Tensor = tf.relu(instanceNorm(conv(weights, 'conv1', images, 2)));
    for (const stage of [1, 2, 3]) {
      x = bottleneck(weights.at(`layer${stage}.0`), x, stage === 1 ? 1 : 2);
      x = bottleneck(weights.at(`layer${stage}.1`), x, 1);
    }
    return conv(weights, 'conv2', x);
  });
}

/** relu(x + f(x)), f ending in a ReLU of its own; a 1x1 convolution brings x to f's size where it strides. */
function bottleneck(weights: WeightView, x: Tensor, stride: number): Tensor {
  return tf.tidy(() => {
    const layer = (name: string, y: Tensor, step: number): Tensor => instanceNorm(conv(weights, name, y, step));
    const narrow = tf.relu(layer('conv2', tf.relu(layer('conv1', x, 1)), stride));
    const change = tf.relu(layer('conv3', narrow, 1));
    return tf.relu(tf.add(stride === 1 ? x : layer('downsample.0', x, stride), change));
  });
}

/** Features at a half, a quarter, an eighth and a sixteenth of the resolution. */
export function imagePyramid(net: Part<AmtConfig>, images: Tensor): Tensor[] {
  const {
    weights,
    config: { channels },
  } = net;
  let x = images;
  return channels.map((_, i) => {
    x = activeConv(weights, `pyramid${i + 1}.1`, activeConv(weights, `pyramid${i + 1}.0`, x, 2));
    return x;
  });
}
