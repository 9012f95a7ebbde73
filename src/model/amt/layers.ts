/** Layers that the parts of AMT share, on [B, H, W, C], and what it sees of the two pictures. */
import { type Tensor, type Tensor4D, tf } from '../../engine/tf.ts';
import type { WeightView } from '../../nn/index.ts';
import { affine, instanceNorm, sameConv } from '../layers/layers.ts';
import { resample } from '../preprocess/preprocess.ts';

/** A convolution and a PReLU with a slope for each channel. */
export function activeConv(weights: WeightView, name: string, x: Tensor, stride: number = 1): Tensor {
  return tf.prelu(sameConv(weights, `${name}.0`, x, stride), weights.get(`${name}.1.weight`));
}

/** Twice the height and width by a transposed convolution of a 4x4 kernel [In, Out, 4, 4]. */
export function doublingConv(weights: WeightView, name: string, x: Tensor): Tensor {
  const [weight, bias] = affine(weights, name);
  const [batch, height, width] = x.shape as [number, number, number];
  const kernel = tf.transpose(weight, [2, 3, 1, 0]) as Tensor4D; // [I, O, 4, 4] -> [4, 4, O, I]
  const shape: [number, number, number, number] = [batch, 2 * height, 2 * width, weight.shape[1]!];
  return tf.add(tf.conv2dTranspose(x as Tensor4D, kernel, shape, 2, 'same'), bias);
}

/** Bilinear resizing by a factor, without antialiasing, by the extents of pixels. */
export function resize(x: Tensor, factor: number): Tensor {
  if (factor === 1) return x;
  const [, height, width] = x.shape as [number, number, number];
  const plan = (from: number) => ({ from, to: Math.floor(from * factor) });
  return resample(x, plan(height), plan(width), { kernel: 'bilinear', antialias: false });
}

/** x(p + flow(p)) by bilinear reading, the border repeated: x [B, H, W, C], flow [B, H, W, 2] as (right, down). */
export function warp(x: Tensor, flow: Tensor): Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  return tf.tidy(() => {
    const rows = tf.reshape(x, [batch * height * width, channels]);
    const [u, v] = tf.split(tf.reshape(flow, [batch, height, width, 2]), 2, 3) as [Tensor, Tensor]; // [B, H, W, 1]
    const across = taps(tf.add(u, tf.reshape(tf.range(0, width), [1, 1, width, 1])), width);
    const down = taps(tf.add(v, tf.reshape(tf.range(0, height), [1, height, 1, 1])), height);
    const starts = tf.reshape(tf.range(0, batch * height * width, height * width, 'int32'), [batch, 1, 1, 1]);
    const read = (row: Tensor, column: Tensor): Tensor => {
      const index = tf.add(tf.add(tf.mul(row, tf.scalar(width, 'int32')), column), starts);
      return tf.reshape(tf.gather(rows, tf.reshape(index, [-1])), [batch, height, width, channels]);
    };
    const line = (row: Tensor): Tensor => mix(read(row, across.first), read(row, across.second), across.rest);
    return mix(line(down.first), line(down.second), down.rest);
  });
}

/** a (1 - t) + b t */
function mix(a: Tensor, b: Tensor, t: Tensor): Tensor {
  return tf.add(a, tf.mul(tf.sub(b, a), t));
}

/** The two pixels around each place on an axis, and how far it is towards the second. */
function taps(places: Tensor, extent: number): { first: Tensor; second: Tensor; rest: Tensor } {
  const within = tf.clipByValue(places, 0, extent - 1);
  const base = tf.floor(within);
  const second = tf.minimum(tf.add(base, 1), extent - 1);
  return { first: tf.cast(base, 'int32'), second: tf.cast(second, 'int32'), rest: tf.sub(within, base) };
}

/** Features at an eighth of the resolution: [B, H, W, 3] -> [B, H/8, W/8, feat_dim]. */
export function correlationFeatures(weights: WeightView, images: Tensor): Tensor {
  return tf.tidy(() => {
    let x: Tensor = tf.relu(instanceNorm(sameConv(weights, 'conv1', images, 2)));
    for (const stage of [1, 2, 3]) {
      x = bottleneck(weights.at(`layer${stage}.0`), x, stage === 1 ? 1 : 2);
      x = bottleneck(weights.at(`layer${stage}.1`), x, 1);
    }
    return sameConv(weights, 'conv2', x);
  });
}

/** relu(x + f(x)), f ending in a ReLU of its own; a 1x1 convolution brings x to f's size where it strides. */
function bottleneck(weights: WeightView, x: Tensor, stride: number): Tensor {
  return tf.tidy(() => {
    const layer = (name: string, y: Tensor, step: number): Tensor => instanceNorm(sameConv(weights, name, y, step));
    const narrow = tf.relu(layer('conv2', tf.relu(layer('conv1', x, 1)), stride));
    const change = tf.relu(layer('conv3', narrow, 1));
    return tf.relu(tf.add(stride === 1 ? x : layer('downsample.0', x, stride), change));
  });
}

/** Features at a half, a quarter, an eighth and a sixteenth of the resolution. */
export function imagePyramid(weights: WeightView, images: Tensor): Tensor[] {
  let x = images;
  return [1, 2, 3, 4].map((level) => {
    x = activeConv(weights, `pyramid${level}.1`, activeConv(weights, `pyramid${level}.0`, x, 2));
    return x;
  });
}
