/** The motion of a clip in numbers that need no network: change from frame to frame, and along the flow. */
import type { Clip } from '../../io/index.ts';
import { clipFlow, type Flow, type FlowEstimator, lucasKanade } from '../flow/lucas-kanade.ts';
import { sample } from '../flow/plane.ts';
import { mean } from '../statistics.ts';
import { clipDynamicDegree, type DynamicDegree, flicker, flowDynamicDegree, sampledFrames } from '../vbench/rules.ts';
import { warpingErrorAlong } from './warping.ts';

/** Everything about the motion of a clip that needs no network. */
export interface MotionReport {
  dynamicDegree: DynamicDegree;
  /** Mean flow magnitude in pixels per frame pair. */
  meanFlow: number;
  /** Mean flow of the last quarter of pairs over that of the first; below 0.5 the clip comes to a halt. Null if still. */
  decay: number | null;
  /** Share of frame pairs without visible change. */
  stillShare: number;
  /** VBench temporal flickering, 1 when frozen. */
  flicker: number;
  /** Null below three frames. */
  brightnessFlicker: number | null;
  warpingError: number | null;
  /** Share of pixels where forward and backward flow agree. */
  trustedShare: number;
  /** Null below four frames. */
  jerk: number | null;
  /** Change at block borders over change inside blocks. */
  seamRatio: number | null;
}

export interface MotionOptions {
  /** Any flow estimator. @defaultValue `lucasKanade` */
  estimate?: FlowEstimator;
  /** First frame of each block but the first, for clips made block by block. */
  borders?: readonly number[];
}

/** Measures a clip of two frames or more; see the fields of the report. */
export function motionReport(clip: Clip, { estimate = lucasKanade, borders = [] }: MotionOptions = {}): MotionReport {
  const flows = clipFlow(clip, estimate);
  const speeds = flows.map(meanMagnitude);
  const quarter = Math.max(1, Math.floor(speeds.length / 4));
  const [begin, end] = [mean(speeds.slice(0, quarter)), mean(speeds.slice(-quarter))];
  const warping = warpingErrorAlong(clip, flows, clipFlow(clip, estimate, 'backward'));
  const { kept } = sampledFrames(clip.frames, clip.fps);
  const isWhole = kept.length === clip.frames || kept.length < 2;
  return {
    dynamicDegree: isWhole ? flowDynamicDegree(flows, clip) : clipDynamicDegree(clip, estimate),
    meanFlow: mean(speeds),
    decay: begin === 0 ? null : end / begin,
    stillShare: stillShare(clip),
    flicker: flicker(clip),
    brightnessFlicker: clip.frames < 3 ? null : brightnessFlicker(clip),
    warpingError: warping.error,
    trustedShare: warping.validShare,
    jerk: jerk(tracks(flows)),
    seamRatio: seamRatio(clip, borders),
  };
}

function meanMagnitude({ u, v }: Flow): number {
  let sum = 0;
  for (let i = 0; i < u.length; i++) sum += Math.hypot(u[i]!, v[i]!);
  return sum / u.length;
}

/** D_t = mean |I_{t+1} - I_t| over pixels and channels, one value per pair. */
export function frameDifferences({ data, frames }: Clip): number[] {
  const size = data.length / frames;
  return Array.from({ length: frames - 1 }, (_, frame) => {
    let sum = 0;
    for (let i = frame * size; i < (frame + 1) * size; i++) sum += Math.abs(data[i + size]! - data[i]!);
    return sum / size;
  });
}

/** Share of pairs that change by less than one grey level (D_t < 1/255). */
export function stillShare(clip: Clip): number {
  const differences = frameDifferences(clip);
  return differences.filter((value) => value < 1 / 255).length / Math.max(1, differences.length);
}

/**
 * Mean D_t where a block of frames ends over mean D_t inside blocks; above 1.5 the joints show. `borders` lists the
 * first frame of each block but the first (for blocks of three frames: 3, 6, ...). Null without both kinds of pair.
 */
export function seamRatio(clip: Clip, borders: readonly number[]): number | null {
  const differences = frameDifferences(clip);
  const at = new Set(borders.map((frame) => frame - 1));
  const seams = differences.filter((_, i) => at.has(i));
  const inside = differences.filter((_, i) => !at.has(i));
  if (seams.length === 0 || inside.length === 0 || mean(inside) === 0) return null;
  return mean(seams) / mean(inside);
}

/** Standard deviation of the second difference of mean brightness: 0 for steady light, large for flicker. */
export function brightnessFlicker({ data, frames }: Clip): number {
  if (frames < 3) throw new RangeError(`brightnessFlicker needs three frames or more; the clip has ${frames}`);
  const size = data.length / frames;
  const light = Array.from({ length: frames }, (_, frame) => mean(data.subarray(frame * size, (frame + 1) * size)));
  const second = light.slice(2).map((value, i) => value - 2 * light[i + 1]! + light[i]!);
  const centre = mean(second);
  return Math.sqrt(mean(second.map((value) => (value - centre) ** 2)));
}

/** Mean squared distance of all pairs of clips of one prompt: falls when samples collapse onto each other. */
export function diversity(clips: readonly Clip[]): number {
  if (clips.length < 2) throw new RangeError(`diversity needs two clips or more; received ${clips.length}`);
  const distances = clips.flatMap((a, i) =>
    clips.slice(i + 1).map((b) => {
      let sum = 0;
      for (let k = 0; k < a.data.length; k++) sum += (a.data[k]! - b.data[k]!) ** 2;
      return sum / a.data.length;
    }),
  );
  return mean(distances);
}

/** A point followed through a clip: [x, y] in each frame. */
export type Track = [number, number][];

/** Points on a grid of `stride` pixels followed through the flow (bilinear); those that lose texture or leave are dropped. */
export function tracks(flows: readonly Flow[], stride: number = 8): Track[] {
  const [first] = flows;
  if (first === undefined) throw new RangeError('tracks received no flow; wanted one per frame pair');
  const found: Track[] = [];
  for (let y = stride / 2; y < first.height; y += stride) {
    for (let x = stride / 2; x < first.width; x += stride) {
      const track = follow(flows, [x, y]);
      if (track.length === flows.length + 1) found.push(track);
    }
  }
  return found;
}

function follow(flows: readonly Flow[], start: [number, number]): Track {
  const track: Track = [start];
  for (const { u, v, valid, height, width } of flows) {
    const [x, y] = track.at(-1)!;
    if (x < 0 || y < 0 || x > width - 1 || y > height - 1) break;
    if (valid[Math.round(y) * width + Math.round(x)] === 0) break;
    track.push([x + sample({ data: u, height, width }, x, y), y + sample({ data: v, height, width }, x, y)]);
  }
  return track;
}

/**
 * Roughness of motion: median |p_{t+3} - 3 p_{t+2} + 3 p_{t+1} - p_t| over (median speed + 0.1 px), over all tracks
 * and times; 0 for steady motion, 6 over speed for p = t^3. Null without a track of four frames.
 */
export function jerk(all: readonly Track[]): number | null {
  const third: number[] = [];
  const speed: number[] = [];
  for (const track of all) {
    for (let t = 0; t + 1 < track.length; t++) {
      speed.push(Math.hypot(track[t + 1]![0] - track[t]![0], track[t + 1]![1] - track[t]![1]));
    }
    for (let t = 0; t + 3 < track.length; t++) {
      const change = (axis: 0 | 1): number =>
        track[t + 3]![axis] - 3 * track[t + 2]![axis] + 3 * track[t + 1]![axis] - track[t]![axis];
      third.push(Math.hypot(change(0), change(1)));
    }
  }
  return third.length === 0 ? null : median(third) / (median(speed) + 0.1);
}

/** Middle value, the mean of the two middle ones for an even count. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
