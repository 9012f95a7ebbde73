import { type Tensor, tf } from '../../engine/tf.ts';
import type { Clip } from '../../io/index.ts';

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
