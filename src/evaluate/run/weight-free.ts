/** Measures that need no network, and the small clips that they are made on. */
import { type Clip, clipFrame, createClip } from '../../io/index.ts';
import { highFrequencyShare, meanChroma, type Picture, saturatedShare } from '../diagnostics/pictures.ts';
import { brightnessFlicker, type MotionReport, motionReport } from '../motion/report.ts';
import { type InterpolationSmoothness, interpolationSmoothness } from '../motion/warping.ts';
import { flickering, sampledFrames } from '../vbench/rules.ts';
import type { VideoShape, Watch } from '../vbench/watch.ts';
import { firstLine, type MeasureColumn, type Measured, type MeasuredValues, type MeasureGroup } from './measures.ts';

export interface WeightFreeOptions {
  /** Shorter side, in pixels, that frames are shrunk to (by whole factors) before flow is estimated. @defaultValue 64 */
  readonly side?: number;
}

/** Measures that need no weights: motion by Lucas-Kanade flow on small frames at about 8 a second, change and looks. */
export function weightFreeMeasures({ side = 64 }: WeightFreeOptions = {}): MeasureGroup {
  return {
    columns: table(side).map(([name, variant, better]) => {
      return { name, variant, officialEquivalent: false, better, ...(name === 'moving_lk' && { isShare: true }) };
    }),
    open: async () => ({ start: (video) => weightFreeWatch(video, side), dispose: () => {} }),
  };
}

type Value = number | boolean | null;

/** What columns are computed from; each on demand, so that one that needs more frames does not cost the others. */
interface Seen {
  readonly small: Clip;
  readonly last: Picture;
  flicker(): number;
  report(): MotionReport;
  smoothness(): InterpolationSmoothness;
}

type Column = readonly [name: string, variant: string, better: MeasureColumn['better'], value: (seen: Seen) => Value];

function table(side: number): readonly Column[] {
  const flow = `Lucas-Kanade flow, shorter side about ${side} px, about 8 frames a second`;
  const still = 'frame pairs that change by less than one grey level, on the small frames';
  const light = 'second difference of mean brightness, on the small frames';
  const texture = 'share of spectral power above half the Nyquist frequency, last frame, small';
  const filter = "VBench's temporal flickering without its static filter, all frames";
  const smooth = `midpoints along ${flow}; not VBench's motion smoothness`;
  return [
    ['moving_lk', `VBench's rule of dynamic degree on ${flow}`, 'higher', (x) => x.report().dynamicDegree.moving],
    ['motion_lk', `largest 5 % of ${flow}, as if 256 px`, null, (x) => x.report().dynamicDegree.continuous],
    ['motion_decay', `last over first quarter of ${flow}`, null, (x) => x.report().decay],
    ['flow_interp_smoothness', smooth, 'higher', (x) => x.smoothness().flow],
    ['blend_smoothness', 'midpoints by the mean of neighbours, on the same frames', null, (x) => x.smoothness().blend],
    ['warping_error', `squared difference along ${flow}`, 'lower', (x) => x.report().warpingError],
    ['jerk', `third differences of tracks along ${flow}`, 'lower', jerkOf],
    ['flicker_unfiltered', filter, 'higher', (x) => x.flicker()],
    ['brightness_flicker', light, 'lower', (x) => brightnessFlicker(x.small)],
    ['still_share', still, 'lower', (x) => x.report().stillShare],
    ['fine_texture', texture, null, ({ small }) => highFrequencyShare({ ...small, data: clipFrame(small, -1) })],
    ['saturated', 'share of values at the bounds of 8 bits, last frame', null, (x) => saturatedShare(x.last)],
    ['colourfulness', 'mean of largest minus smallest channel, last frame', null, (x) => meanChroma(x.last)],
  ];
}

function jerkOf({ small, report }: Seen): number | null {
  if (small.frames < 4) throw new RangeError(`jerk: wanted four frames or more, received ${small.frames}`);
  return report().jerk;
}

function weightFreeWatch(video: VideoShape, side: number): Watch<MeasuredValues> {
  const [changes, shrink] = [flickering(), shrinking(video, side)];
  let last: Uint8Array | null = null;
  return {
    see: (frame) => {
      changes.see(frame);
      shrink.see(frame);
      last = frame;
    },
    result: () => {
      const small = shrink.result();
      return valuesOf(table(side), {
        ...{ small, last: { ...video, data: unit(last!) }, flicker: changes.result },
        report: once(() => motionReport(small)),
        smoothness: once(() => interpolationSmoothness(small)),
      });
    },
  };
}

function valuesOf(columns: readonly Column[], seen: Seen): MeasuredValues {
  const [values, notes]: [Record<string, Measured>, Record<string, string>] = [{}, {}];
  for (const [name, , , value] of columns) {
    try {
      const score = value(seen);
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
const units = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

function unit(frame: Uint8Array): Float32Array {
  return Float32Array.from(frame, (byte) => units[byte]!);
}

/** About 8 frames a second (two at least), shrunk by a whole factor by means of squares; the rest is cut. */
export function shrinking(video: VideoShape, side: number): { see(frame: Uint8Array): void; result(): Clip } {
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
