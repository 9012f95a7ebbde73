/** Measures that see a video frame by frame, so that its length does not matter. */
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Clip, clipFrame } from '../../io/index.ts';
import { toByte } from '../../io/internal.ts';

/** What is known of a video before its first frame. */
export interface VideoShape {
  readonly height: number;
  readonly width: number;
  /** Frames a second. */
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

/**
 * Shows a clip to a measure.
 *
 * @example const { score } = await measured(clip, subjectConsistency(net));
 */
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

/**
 * One row of numbers for each frame, computed a few frames at a time.
 *
 * @param extract - frames [B, H, W, 3] in [0, 1], of 8 bits, to [B] or [B, D]
 * @param finish - what the rows of all frames come to
 */
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
