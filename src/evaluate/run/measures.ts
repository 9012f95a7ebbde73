/** What is measured on one video: columns of a table, each saying how it came about. */
import { type Clip, clipFrame, createClip } from '../../io/index.ts';
import { highFrequencyShare, meanChroma, type Picture, saturatedShare } from '../diagnostics/index.ts';
import { interpolationSmoothness, motionReport } from '../motion/index.ts';
import { flicker, sampledFrames } from '../vbench/index.ts';
import type { VideoEntry } from './videos.ts';

/** A number that videos get, and how. */
export interface MeasureColumn {
  /** A dimension of VBench by its own name, or another name for anything that is not exactly that. */
  readonly name: string;
  /** Formula, network and sizes in a few words. */
  readonly variant: string;
  /** Whether VBench would give the same number for the same video. */
  readonly officialEquivalent: boolean;
  /** What better means; null for numbers that only describe. */
  readonly better: 'higher' | 'lower' | null;
  /** Whether values are 0 or 1, so that their mean is a share. */
  readonly isShare?: boolean;
  /** Values of a prompt that count, those of the lowest seeds; default all. */
  readonly mostPerPrompt?: number;
  /** Weight files with their SHA-256, for numbers that rest on networks. */
  readonly weights?: Readonly<Record<string, string>>;
}

/** A video as measures see it. */
export interface MeasuredVideo extends Pick<VideoEntry, 'prompt' | 'style' | 'dimensions'> {
  readonly clip: Clip;
}

/** A value and how much it counts among those of other videos; null where the measure says nothing about this video. */
export type Measured = { readonly score: number; readonly weight: number } | null;

/** Columns that are measured together, on what `open` takes into memory. */
export interface MeasureGroup {
  readonly columns: readonly MeasureColumn[];
  /** Whether any column says something about a video; one that none does is not read. Default all. */
  appliesTo?(video: VideoEntry): boolean;
  open(): Promise<OpenMeasures>;
}

/** A group that is ready to measure. */
export interface OpenMeasures {
  measure(video: MeasuredVideo): Promise<Readonly<Record<string, Measured>>>;
  /** Releases the networks. */
  dispose(): void;
}

/** Dials of the measures without networks. */
export interface WeightFreeOptions {
  /** Shorter side, in pixels, that frames are shrunk to (by whole factors) before flow is estimated. Default 64. */
  readonly side?: number;
}

/** Measures that need no weights: motion by Lucas-Kanade flow on small frames at about 8 a second, change and looks. */
export function weightFreeMeasures({ side = 64 }: WeightFreeOptions = {}): MeasureGroup {
  const columns = weightFreeColumns(side);
  const measure = async ({ clip }: MeasuredVideo) => {
    const values = weightFreeValues(clip, side);
    return Object.fromEntries(columns.map(({ name }) => [name, measured(values[name] ?? null)]));
  };
  return { columns, open: async () => ({ measure, dispose: () => {} }) };
}

function measured(score: number | boolean | null): Measured {
  return score === null ? null : { score: Number(score), weight: 1 };
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

function weightFreeValues(clip: Clip, side: number): Readonly<Record<string, number | boolean | null>> {
  const small = shrunk(clip, side);
  const report = motionReport(small);
  const { flow, blend } = interpolationSmoothness(small);
  const last = picture(clip);
  return {
    moving_lk: report.dynamicDegree.moving,
    motion_lk: report.dynamicDegree.continuous,
    motion_decay: report.decay,
    flow_interp_smoothness: flow,
    blend_smoothness: blend,
    warping_error: report.warpingError,
    jerk: report.jerk,
    flicker_unfiltered: flicker(clip),
    brightness_flicker: report.brightnessFlicker,
    still_share: report.stillShare,
    fine_texture: highFrequencyShare(picture(small)),
    saturated: saturatedShare(last),
    colourfulness: meanChroma(last),
  };
}

function picture(clip: Clip): Picture {
  return { data: clipFrame(clip, -1), height: clip.height, width: clip.width };
}

/** About 8 frames a second, each shrunk by a whole factor by means of squares; the rest at the right and bottom is cut. */
export function shrunk(clip: Clip, side: number): Clip {
  const { kept, interval } = sampledFrames(clip.frames, clip.fps);
  const factor = Math.max(1, Math.floor(Math.min(clip.height, clip.width) / side));
  const [height, width] = [Math.floor(clip.height / factor), Math.floor(clip.width / factor)];
  const data = new Float32Array(kept.length * height * width * 3);
  for (const [i, index] of kept.entries()) {
    const frame = clipFrame(clip, index);
    shrinkInto(data.subarray(i * height * width * 3), { frame, width: clip.width, factor }, height, width);
  }
  return createClip(data, { frames: kept.length, height, width, fps: clip.fps / interval });
}

interface Shrinking {
  frame: Float32Array;
  width: number;
  factor: number;
}

function shrinkInto(out: Float32Array, { frame, width, factor }: Shrinking, rows: number, columns: number): void {
  for (let i = 0; i < rows * columns * 3; i++) {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % columns, Math.floor(i / 3 / columns)];
    let sum = 0;
    for (let dy = 0; dy < factor; dy++) {
      const row = (y * factor + dy) * width + x * factor;
      for (let dx = 0; dx < factor; dx++) sum += frame[3 * (row + dx) + c]!;
    }
    out[i] = sum / factor ** 2;
  }
}
