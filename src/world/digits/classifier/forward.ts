import { conv2d, gelu, layerNorm, linear } from '../../../engine/ops/index.ts';
import { type Tensor, tf } from '../../../engine/tf.ts';
import type { Part } from '../../../nn/index.ts';
import type { ClassifierConfig } from './config.ts';

/**
 * Class logits of frames by their brightest channel, so that colour does not matter: 3x3 convolutions, each normalised
 * over the whole picture and followed by GELU, then the largest value of each channel, so that place does not matter,
 * and a linear layer.
 *
 * @param frames - [B, H, W, 3] in [0, 1]
 * @returns [B, classes]
 */
export function classifierForward(net: Part<ClassifierConfig>, frames: Tensor): Tensor {
  const {
    weights,
    config: { channels },
  } = net;
  let x: Tensor = tf.max(frames, 3, true); // [B, H, W, 1]
  for (const i of channels.keys()) {
    const stride = i === 0 ? 1 : 2;
    const y = conv2d(x, weights.get(`conv.${i}.weight`), weights.get(`conv.${i}.bias`), { stride, padding: 1 });
    x = gelu(tf.add(tf.mul(normalised(y), weights.get(`norm.${i}.weight`)), weights.get(`norm.${i}.bias`)));
  }
  const pooled = tf.max(x, [1, 2]); // [B, h, w, D] -> [B, D]
  return linear(pooled, weights.get('head.weight'), weights.get('head.bias'));
}

/** Mean 0 and variance 1 over place and channel together: a dark ground stays dark, as it would not pixel by pixel. */
function normalised(x: Tensor): Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const flat = tf.reshape(x, [batch, height * width * channels]); // [B, H, W, C] -> [B, H W C]
  return tf.reshape(layerNorm(flat, null, null), [batch, height, width, channels]);
}

/** The most likely class of each frame [B, H, W, 3], and how likely it is. */
export async function classify(
  net: Part<ClassifierConfig>,
  frames: Tensor,
): Promise<{ label: number; probability: number }[]> {
  const { config } = net;
  const probabilities = tf.tidy(() => tf.softmax(classifierForward(net, frames)));
  const values = await probabilities.data<'float32'>();
  probabilities.dispose();
  return Array.from({ length: values.length / config.classes }, (_, i) => {
    const row = [...values.subarray(i * config.classes, (i + 1) * config.classes)];
    const probability = Math.max(...row);
    return { label: row.indexOf(probability), probability };
  });
}
