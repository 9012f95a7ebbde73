/** Measures that need no network, and the small clips that they are made on. */
import { type Clip, clipFrame, createClip } from '../../io/index.ts';
import { highFrequencyShare, meanChroma, type Picture, saturatedShare } from '../diagnostics/index.ts';
import { brightnessFlicker, interpolationSmoothness, motionReport } from '../motion/index.ts';
import { flickering, sampledFrames, type VideoShape, type Watch } from '../vbench/index.ts';
import { firstLine, type MeasureColumn, type Measured, type MeasuredValues, type MeasureGroup } from './measures.ts';

/** Dials of the measures without networks. */
export interface WeightFreeOptions {
  /** Shorter side, in pixels, that frames are shrunk to (by whole factors) before flow is estimated. @defaultValue 64 */
  readonly side?: number;
}

/** Measures that need no weights: motion by Lucas-Kanade flow on small frames at about 8 a second, change and looks. */
export function weightFreeMeasures({ side = 64 }: WeightFreeOptions = {}): MeasureGroup {
  return {
    columns: weightFreeColumns(side),
    open: async () => ({ start: (video) => weightFreeWatch(video, side), dispose: () => {} }),
  };
}

function weightFreeColumns(side: number): MeasureColumn[] {
  const flow = `Lucas-Kanade flow, shorter side about ${side} px, about 8 frames a second`;
  const column = (name: string, variant: string, better: MeasureColumn['better']): MeasureColumn => {
    return { name, variant, officialEquivalent: false, better };
  };
  return [
    { ...column('moving_lk', `VBench's rule of dynamic degree on ${flow}`, 'higher'), isShare: true },
    column('motion_lk', `largest 5 % of ${flow}, as if 256 px`, null),
    column('motion_decay', `last over first quarter of ${flow}`, null),
    column('flow_interp_smoothness', `midpoints along ${flow}; not VBench's motion smoothness`, 'higher'),
    column('blend_smoothness', 'midpoints by the mean of neighbours, on the same frames', null),
    column('warping_error', `squared difference along ${flow}`, 'lower'),
    column('jerk', `third differences of tracks along ${flow}`, 'lower'),
    column('flicker_unfiltered', "VBench's temporal flickering without its static filter, all frames", 'higher'),
    column('brightness_flicker', 'second difference of mean brightness, on the small frames', 'lower'),
    column('still_share', 'frame pairs that change by less than one grey level, on the small frames', 'lower'),
    column('fine_texture', 'share of spectral power above half the Nyquist frequency, last frame, small', null),
    column('saturated', 'share of values at the bounds of 8 bits, last frame', null),
    column('colourfulness', 'mean of largest minus smallest channel, last frame', null),
  ];
}

function weightFreeWatch(video: VideoShape, side: number): Watch<MeasuredValues> {
  const [changes, small] = [flickering(), shrinking(video, side)];
  let last: Uint8Array | null = null;
  return {
    see: (frame) => {
      changes.see(frame);
      small.see(frame);
      last = frame;
    },
    result: () => valuesOf(weightFreeValues(small.result(), { ...video, data: unit(last!) }, changes.result)),
  };
}

type Value = number | boolean | null;

/** Each value by its column, computed on demand, so that one that needs more frames does not cost the others. */
function weightFreeValues(small: Clip, last: Picture, flicker: () => number): Record<string, () => Value> {
  const report = once(() => motionReport(small));
  const smoothness = once(() => interpolationSmoothness(small));
  return {
    moving_lk: () => report().dynamicDegree.moving,
    motion_lk: () => report().dynamicDegree.continuous,
    motion_decay: () => report().decay,
    flow_interp_smoothness: () => smoothness().flow,
    blend_smoothness: () => smoothness().blend,
    warping_error: () => report().warpingError,
    jerk: () => {
      if (small.frames < 4) throw new RangeError(`jerk: wanted four frames or more, received ${small.frames}`);
      return report().jerk;
    },
    flicker_unfiltered: flicker,
    brightness_flicker: () => brightnessFlicker(small),
    still_share: () => report().stillShare,
    fine_texture: () => highFrequencyShare(pictureOf(small)),
    saturated: () => saturatedShare(last),
    colourfulness: () => meanChroma(last),
  };
}

function valuesOf(columns: Record<string, () => Value>): MeasuredValues {
  const [values, notes]: [Record<string, Measured>, Record<string, string>] = [{}, {}];
  for (const [name, compute] of Object.entries(columns)) {
    try {
      const score = compute();
      values[name] = score === null ? null : { score: Number(score), weight: 1 };
    } catch (error) {
      [values[name], notes[name]] = [null, firstLine(error)];
    }
  }
  return { values, notes };
}

function once<T>(compute: () => T): () => T {
  let made: { value: T } | null = null;
  return () => {
    made ??= { value: compute() };
    return made.value;
  };
}

/** Bytes as float32 in [0, 1]. */
const units: Float32Array = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

function unit(frame: Uint8Array): Float32Array {
  return Float32Array.from(frame, (byte) => units[byte]!);
}

function pictureOf(clip: Clip): Picture {
  return { data: clipFrame(clip, -1), height: clip.height, width: clip.width };
}

/** What {@link shrinking} makes of a video. */
export interface Shrinking {
  see(frame: Uint8Array): void;
  /** The small clip. */
  result(): Clip;
}

/**
 * About 8 frames a second (but two at least), each shrunk by a whole factor by means of squares; the rest at the right
 * and bottom is cut.
 */
export function shrinking(video: VideoShape, side: number): Shrinking {
  const { interval } = sampledFrames(1, video.fps);
  const factor = Math.max(1, Math.floor(Math.min(video.height, video.width) / side));
  const [height, width] = [Math.floor(video.height / factor), Math.floor(video.width / factor)];
  const shrink = (frame: Uint8Array): Float32Array => shrunk(frame, { width: video.width, factor }, height, width);
  const kept: Float32Array[] = [];
  let last: Uint8Array | null = null;
  let index = 0;
  return {
    see: (frame) => {
      if (index++ % interval === 0) kept.push(shrink(frame));
      last = frame;
    },
    result: () => {
      const isShort = kept.length === 1 && index > 1;
      if (isShort) kept.push(shrink(last!));
      const data = new Float32Array(kept.length * height * width * 3);
      for (const [i, frame] of kept.entries()) data.set(frame, i * frame.length);
      const fps = video.fps / (isShort ? index - 1 : interval);
      return createClip(data, { frames: kept.length, height, width, fps });
    },
  };
}

function shrunk(
  frame: Uint8Array,
  { width, factor }: { width: number; factor: number },
  rows: number,
  columns: number,
): Float32Array {
  const out = new Float32Array(rows * columns * 3);
  for (let i = 0; i < out.length; i++) {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % columns, Math.floor(i / 3 / columns)];
    let sum = 0;
    for (let dy = 0; dy < factor; dy++) {
      const row = (y * factor + dy) * width + x * factor;
      for (let dx = 0; dx < factor; dx++) sum += units[frame[3 * (row + dx) + c]!]!;
    }
    out[i] = sum / factor ** 2;
  }
  return out;
}
