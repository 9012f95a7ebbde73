/** Frames as Qwen2-VL wants them: how many, how large, and in which order of patches. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { imageTransforms, resample, roundHalfEven } from '../preprocess/preprocess.ts';
import type { PatchGrid } from './positions.ts';
import type { Qwen2VlVisionConfig } from './weights.ts';

/** Bounds of {@link smartResize}. */
export interface SmartResizeOptions {
  /** Both sides become multiples of this: patch_size * spatial_merge_size. @defaultValue 28 */
  readonly factor?: number;
  /** Least pixels of a frame. @defaultValue 128 * 28 * 28, Qwen's for videos */
  readonly minPixels?: number;
  /** Most pixels of a frame. @defaultValue 448 * 448, VideoAlign's */
  readonly maxPixels?: number;
}

/**
 * [height, width] of frames for the tower: sides rounded to multiples of `factor` (half to even), scaled where the area
 * is out of bounds. Source: VideoAlign vision_process.py, `smart_resize`.
 *
 * @throws RangeError if one side is more than 200 times the other.
 * @example smartResize(480, 832) // [336, 588]
 */
export function smartResize(height: number, width: number, options: SmartResizeOptions = {}): [number, number] {
  const { factor = 28, minPixels = 128 * 28 * 28, maxPixels = 448 * 448 } = options;
  const ratio = Math.max(height, width) / Math.min(height, width);
  if (!(ratio <= 200)) throw new RangeError(`a frame has ${height}x${width} pixels; wanted sides within 200 times`);
  const scaled = (shrink: number, round: (x: number) => number): [number, number] => {
    const side = (from: number): number => Math.max(factor, round(from / shrink / factor) * factor);
    return [side(height), side(width)];
  };
  const [rows, columns] = scaled(1, roundHalfEven);
  if (rows * columns > maxPixels) return scaled(Math.sqrt((height * width) / maxPixels), Math.floor);
  if (rows * columns < minPixels) return scaled(Math.sqrt((height * width) / minPixels), Math.ceil);
  return [rows, columns];
}

/** Which frames of a video are shown. */
export interface SmartFramesOptions {
  /** A number of frames, instead of a rate. */
  readonly nframes?: number;
  /** Frames a second of the video. @defaultValue 2 */
  readonly fps?: number;
  /** Least frames. @defaultValue 4 */
  readonly minFrames?: number;
  /** Most frames. @defaultValue 768, at most all */
  readonly maxFrames?: number;
}

const FRAME_FACTOR = 2;

/**
 * Number of frames shown of a video: even, or all of a video that has fewer. Source: VideoAlign vision_process.py,
 * `smart_nframes`.
 *
 * @throws RangeError if the video has fewer than two frames.
 */
export function smartFrameCount(totalFrames: number, videoFps: number, options: SmartFramesOptions = {}): number {
  if (!(totalFrames >= FRAME_FACTOR)) {
    throw new RangeError(`a video has ${totalFrames} frames; wanted ${FRAME_FACTOR} or more`);
  }
  const { nframes, fps = 2, minFrames = 4, maxFrames = Math.min(768, totalFrames) } = options;
  const even = (x: number, round: (x: number) => number): number => round(x / FRAME_FACTOR) * FRAME_FACTOR;
  if (nframes !== undefined) return clampCount(even(nframes, roundHalfEven), totalFrames);
  const [low, high] = [even(minFrames, Math.ceil), even(maxFrames, Math.floor)];
  const wanted = Math.min(Math.max((totalFrames / videoFps) * fps, low), high);
  return clampCount(even(wanted, roundHalfEven), totalFrames);
}

function clampCount(count: number, totalFrames: number): number {
  if (count >= FRAME_FACTOR) return Math.min(count, totalFrames);
  throw new RangeError(
    `${count} frames would be shown; wanted ${FRAME_FACTOR} or more: raise nframes, fps or maxFrames`,
  );
}

/** Indices of `count` frames spread evenly over a video, first and last included. */
export function spreadFrames(totalFrames: number, count: number): number[] {
  const step = count > 1 ? (totalFrames - 1) / (count - 1) : 0;
  return Array.from({ length: count }, (_, i) => roundHalfEven(i * step));
}

/** Frames [S, H, W, 3] resized with antialiased bicubic taps to [height, width]; differentiable, without rounding to bytes. */
export function resizeVideo(frames: Tensor, [height, width]: readonly [number, number]): Tensor {
  const [, fromRows, fromColumns] = frames.shape as [number, number, number, number];
  const filter = { kernel: 'bicubic', antialias: true } as const;
  return tf.tidy(() => resample(frames, { from: fromRows, to: height }, { from: fromColumns, to: width }, filter));
}

/** Patches of videos and their grids. */
export interface VideoPatches {
  /** [patches, C * tp * p * p], video after video. */
  readonly pixels: Tensor;
  readonly grids: PatchGrid[];
}

/**
 * Videos [B, T, H, W, 3] in [0, 1] as rows of patches in the order of the tower's tokens, normalised with CLIP's
 * statistics; frames that are missing to a whole patch repeat the last one.
 * Source: transformers models/qwen2_vl/image_processing_qwen2_vl.py, `_preprocess`.
 *
 * @throws RangeError unless H and W are multiples of patch_size * spatial_merge_size.
 */
export function patchify(videos: Tensor, config: Qwen2VlVisionConfig): VideoPatches {
  const { patch_size: p, spatial_merge_size: m, temporal_patch_size: tp } = config;
  const [batch, , height, width, channels] = videos.shape as [number, number, number, number, number];
  if (height % (p * m) !== 0 || width % (p * m) !== 0) {
    throw new RangeError(`videos have shape [${videos.shape}]; wanted height and width that are multiples of ${p * m}`);
  }
  const { mean, std } = imageTransforms.clip;
  const pixels = tf.tidy(() => {
    const whole = filledUp(tf.div(tf.sub(videos, tf.tensor1d([...mean])), tf.tensor1d([...std])), tp);
    const slices = (batch * whole.shape[1]!) / tp; // G
    const [down, across] = [height / (p * m), width / (p * m)];
    const cells = tf.reshape(whole, [slices * tp * down, m * p, across, m * p * channels]);
    const squares = tf.transpose(cells, [0, 2, 1, 3]); // [G tp h, m p, w, m p C] -> [G tp h, w, m p, m p C]
    const byTime = tf.reshape(squares, [slices, tp, down * across, m, p, m * p * channels]);
    const rows = tf.transpose(byTime, [0, 2, 3, 1, 4, 5]); // [G, tp, K, m, p, m p C] -> [G, K, m, tp, p, m p C]
    const byColumn = tf.reshape(rows, [slices * down * across * m, tp * p, m, p, channels]);
    const patches = tf.transpose(byColumn, [0, 2, 4, 1, 3]); // [.., tp p, m, p, C] -> [.., m, C, tp p, p]
    return tf.reshape(patches, [slices * down * across * m * m, channels * tp * p * p]);
  });
  const time = pixels.shape[0]! / (batch * (height / p) * (width / p));
  return { pixels, grids: Array.from({ length: batch }, (): PatchGrid => [time, height / p, width / p]) };
}

/** The last frame repeated until the number of frames is a multiple of `factor`. */
function filledUp(videos: Tensor, factor: number): Tensor {
  const [batch, frames, ...image] = videos.shape as [number, number, number, number, number];
  const missing = (factor - (frames % factor)) % factor;
  const last = tf.slice(videos, [0, frames - 1, 0, 0, 0], [batch, 1, ...image]);
  return missing === 0 ? videos : tf.concat([videos, ...Array.from({ length: missing }, () => last)], 1);
}
