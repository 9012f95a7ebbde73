/** What an image goes through before an official image tower sees it, as data; and a clip frame by frame. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Clip } from '../../io/index.ts';
import { type AxisPlan, type ResampleFilter, resample } from './resample.ts';

/** Preprocessing of one image model. */
export interface ImageTransform extends ResampleFilter {
  /** The shorter side becomes this many pixels, the longer one in proportion, rounded down. */
  readonly size: number;
  /** Whether the middle [size, size] is cut out. */
  readonly crop: boolean;
  /**
   * Rounding to 8 bits as the reference does: `none` (differentiable), `once` after resizing (PyTorch on uint8
   * tensors), `each` after each axis (PIL).
   */
  readonly rounding: 'none' | 'once' | 'each';
  /** Per channel, subtracted from values in [0, 1]. */
  readonly mean: readonly [number, number, number];
  /** Per channel, divided by. */
  readonly std: readonly [number, number, number];
}

/** Channel statistics of CLIP's training images; BLIP and ImageReward use them too. */
const clipStatistics: Pick<ImageTransform, 'mean' | 'std'> = {
  mean: [0.48145466, 0.4578275, 0.40821073],
  std: [0.26862954, 0.26130258, 0.27577711],
};

const imagenetStatistics: Pick<ImageTransform, 'mean' | 'std'> = {
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};

/**
 * The published transforms at 224 pixels; other sizes are `{ ...imageTransforms.clip, size }`.
 *
 * - `clip`: PIL's resizing without its rounding: what a gradient flows through (ImageReward, aesthetic, CLIP score).
 * - `clipFile`: the same with PIL's rounding: what the reference does to image files.
 * - `vbenchClip`, `vbenchDino`: VBench vbench/utils.py, `clip_transform` and `dino_transform`.
 */
export const imageTransforms: Readonly<Record<'clip' | 'clipFile' | 'vbenchClip' | 'vbenchDino', ImageTransform>> = {
  clip: { size: 224, kernel: 'bicubic', antialias: true, crop: true, rounding: 'none', ...clipStatistics },
  clipFile: { size: 224, kernel: 'bicubic', antialias: true, crop: true, rounding: 'each', ...clipStatistics },
  vbenchClip: { size: 224, kernel: 'bicubic', antialias: false, crop: true, rounding: 'once', ...clipStatistics },
  vbenchDino: { size: 224, kernel: 'bilinear', antialias: false, crop: false, rounding: 'once', ...imagenetStatistics },
};

/**
 * Frames as an image tower wants them: resized, cropped, normalised.
 *
 * @param frames - [B, H, W, 3] in [0, 1]
 * @returns [B, h, w, 3]; a gradient flows if `rounding` is `none`
 */
export function preprocess(frames: Tensor, transform: ImageTransform): Tensor {
  return tf.tidy(() => {
    const { mean, std } = transform;
    return tf.div(tf.sub(resizeFrames(frames, transform), tf.tensor1d([...mean])), tf.tensor1d([...std]));
  });
}

/** The first part of {@link preprocess}: resized and cropped, still in [0, 1] up to the overshoot of bicubic taps. */
export function resizeFrames(frames: Tensor, transform: ImageTransform): Tensor {
  const [, height, width] = frames.shape as [number, number, number, number];
  const [rows, columns] = framePlans(height, width, transform);
  if (transform.rounding === 'none') return resample(frames, rows, columns, transform);
  return tf.tidy(() => {
    const each = transform.rounding === 'each' ? toBytes : undefined;
    const bytes = resample(toBytes(tf.mul(frames, 255)), rows, columns, transform, each);
    return tf.div(toBytes(bytes), 255);
  });
}

function toBytes(x: Tensor): Tensor {
  return tf.clipByValue(tf.round(x), 0, 255);
}

/** How a transform treats rows and columns of frames of a size. */
export function framePlans(height: number, width: number, { size, crop }: ImageTransform): [AxisPlan, AxisPlan] {
  const shorter = Math.min(height, width);
  const plan = (from: number): AxisPlan => {
    const to = from === shorter ? size : Math.trunc((size * from) / shorter);
    return crop ? { from, to, first: roundHalfEven((to - size) / 2), count: size } : { from, to };
  };
  return [plan(height), plan(width)];
}

/** Rounds to the nearest integer, halves to the even one, as Python's `round` does (2.5 -> 2, 3.5 -> 4). */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/**
 * One feature vector per frame of a clip, a few frames at a time, so that memory is bounded by `batch`.
 *
 * @param extract - frames [B, H, W, 3] in [0, 1] to features [B, D]
 * @example await frameFeatures(clip, (frames) => dinoFeatures(weights, config, preprocess(frames, imageTransforms.vbenchDino)))
 */
export async function frameFeatures(
  clip: Clip,
  extract: (frames: Tensor) => Tensor,
  batch: number = 8,
): Promise<Float32Array[]> {
  const size = clip.height * clip.width * 3;
  const features: Float32Array[] = [];
  for (let first = 0; first < clip.frames; first += batch) {
    const count = Math.min(batch, clip.frames - first);
    const data = clip.data.slice(first * size, (first + count) * size);
    const result = tf.tidy(() => extract(tf.tensor4d(data, [count, clip.height, clip.width, 3])));
    const values = (await result.data()) as Float32Array;
    result.dispose();
    const width = values.length / count;
    for (let i = 0; i < count; i++) features.push(values.slice(i * width, (i + 1) * width));
  }
  return features;
}
