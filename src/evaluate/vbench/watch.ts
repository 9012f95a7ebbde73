/** Measures that see a video frame by frame, so that its length does not matter; which frames VBench takes, and how it pads them. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Clip, clipFrame } from '../../io/index.ts';
import { toByte } from '../../io/internal.ts';

/** What is known of a video before its first frame. */
export interface VideoShape {
  readonly height: number;
  readonly width: number;
  readonly fps: number;
  /** Frames of the whole, for measures that say that they need it. */
  readonly frames?: number;
}

/** A measure at work on one video, of which it keeps no more than it needs. */
export interface Watch<Result> {
  /** The next frame, 8-bit RGB [H, W, 3], which nobody changes afterwards. */
  see(frame: Uint8Array): void | Promise<void>;
  /**
   * What came of it, after the last frame.
   *
   * @throws RangeError where there were too few frames.
   */
  result(): Result | Promise<Result>;
}

/** A measure, ready for the next video. */
export type Measure<Result> = (video: VideoShape) => Watch<Result>;

/** Shows a clip to a measure. */
export async function measured<Result>(clip: Clip, measure: Measure<Result>): Promise<Result> {
  const watch = measure(clip);
  for (let frame = 0; frame < clip.frames; frame++) {
    await watch.see(Uint8Array.from(clipFrame(clip, frame), toByte));
  }
  return watch.result();
}

/** Frames as 8-bit values in float32: [n, H, W, 3] of whole numbers 0..255, as decoders give them. */
export function byteFrames(frames: readonly Uint8Array[], { height, width }: VideoShape): Tensor {
  const data = new Float32Array(frames.length * height * width * 3);
  for (const [i, frame] of frames.entries()) data.set(frame, i * frame.length);
  return tf.tensor4d(data, [frames.length, height, width, 3]);
}

/** One row of numbers for each frame by `extract` of frames [B, H, W, 3] in [0, 1], a few at a time; `finish` sums them up. */
export function eachFrame<Result>(
  video: VideoShape,
  extract: (frames: Tensor) => Tensor,
  finish: (rows: readonly Float32Array[]) => Result,
  batch: number = 8,
): Watch<Result> {
  const rows: Float32Array[] = [];
  let waiting: Uint8Array[] = [];
  const flush = async (): Promise<void> => {
    const result = tf.tidy(() => extract(tf.div(byteFrames(waiting, video), 255)));
    const values = await result.data<'float32'>();
    result.dispose();
    const width = values.length / waiting.length;
    for (const i of waiting.keys()) rows.push(values.slice(i * width, (i + 1) * width));
    waiting = [];
  };
  return {
    see: async (frame) => {
      waiting.push(frame);
      if (waiting.length === batch) await flush();
    },
    result: async () => {
      if (waiting.length > 0) await flush();
      return finish(rows);
    },
  };
}

/** Which frames VBench takes, and how it pads them. */
/**
 * The frames in the middles of n equal parts of a clip: part i runs from floor(i T / n) on; of a clip of fewer than n
 * frames all, the last one repeated. Source: VBench vbench/utils.py, `get_frame_indices` with "middle".
 */
export function middleFrames(frames: number, count: number): number[] {
  const parts = Math.min(frames, count);
  const bound = (i: number): number => Math.floor((i * frames) / parts);
  return Array.from({ length: count }, (_, i) => {
    return i < parts ? Math.floor((bound(i) + bound(i + 1) - 1) / 2) : frames - 1;
  });
}

/** Pixels added on each side. */
export interface Padding {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

/** A picture of one or more channels: [H, W] or [H, W, C]. */
export interface PaddedImage {
  data: Float32Array;
  height: number;
  width: number;
}

/** Padding that brings both sides to a multiple (8 for RAFT, 16 for AMT), the odd pixel to the right and bottom. */
export function paddingTo(multiple: number, height: number, width: number): Padding {
  const rows = (multiple - (height % multiple)) % multiple;
  const columns = (multiple - (width % multiple)) % multiple;
  const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  return { left, right: columns - left, top, bottom: rows - top };
}

/** Repeats the border. Source: RAFT core/utils/utils.py, InputPadder in mode "sintel". */
export function padPlane({ data, height, width }: PaddedImage, { left, right, top, bottom }: Padding): PaddedImage {
  const channels = data.length / (height * width);
  const [outHeight, outWidth] = [height + top + bottom, width + left + right];
  const out = new Float32Array(outHeight * outWidth * channels);
  for (let i = 0; i < outHeight * outWidth; i++) {
    const x = Math.min(Math.max((i % outWidth) - left, 0), width - 1);
    const y = Math.min(Math.max(Math.floor(i / outWidth) - top, 0), height - 1);
    for (let c = 0; c < channels; c++) out[i * channels + c] = data[(y * width + x) * channels + c]!;
  }
  return { data: out, height: outHeight, width: outWidth };
}
