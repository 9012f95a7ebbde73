import type { Clip } from '../../io/index.ts';
import { clipFlow, type FlowEstimator } from '../flow/clip-flow.ts';
import { type Flow, lucasKanade } from '../flow/lucas-kanade.ts';
import { mean } from '../statistics/mean.ts';
import { flicker } from '../vbench/consistency.ts';
import { clipDynamicDegree, type DynamicDegree, flowDynamicDegree, sampledFrames } from '../vbench/dynamic-degree.ts';
import { brightnessFlicker, seamRatio, stillShare } from './differences.ts';
import { jerk, tracks } from './tracks.ts';
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
  brightnessFlicker: number;
  warpingError: number | null;
  /** Share of pixels where forward and backward flow agree. */
  trustedShare: number;
  jerk: number | null;
  /** Change at block borders over change inside blocks. */
  seamRatio: number | null;
}

/** What `motionReport` may be told. */
export interface MotionOptions {
  /** Any flow estimator. Default: Lucas-Kanade. */
  estimate?: FlowEstimator;
  /** First frame of each block but the first, for clips made block by block. */
  borders?: readonly number[];
}

/** Measures a clip of four frames or more; see the fields of the report. */
export function motionReport(clip: Clip, { estimate = lucasKanade, borders = [] }: MotionOptions = {}): MotionReport {
  const flows = clipFlow(clip, estimate);
  const speeds = flows.map(meanMagnitude);
  const quarter = Math.max(1, Math.floor(speeds.length / 4));
  const [begin, end] = [mean(speeds.slice(0, quarter)), mean(speeds.slice(-quarter))];
  const warping = warpingErrorAlong(clip, flows, clipFlow(clip, estimate, 'backward'));
  const { interval } = sampledFrames(clip.frames, clip.fps);
  return {
    dynamicDegree: interval === 1 ? flowDynamicDegree(flows, clip) : clipDynamicDegree(clip, estimate),
    meanFlow: mean(speeds),
    decay: begin === 0 ? null : end / begin,
    stillShare: stillShare(clip),
    flicker: flicker(clip),
    brightnessFlicker: brightnessFlicker(clip),
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
