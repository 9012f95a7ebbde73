/** VBench's rules that need no network of their own: flickering, consistency of features, the degree of motion. */
import { type Clip, clipFrame } from '../../io/index.ts';
import { toByte } from '../../io/internal.ts';
import { roundHalfEven } from '../../model/internal.ts';
import { type Flow, type FlowEstimator, lucasKanade } from '../flow/lucas-kanade.ts';
import { luma } from '../flow/plane.ts';
import { mean } from '../statistics.ts';

/** VBench's temporal flickering, (255 - mean |I_t - I_{t+1}|) / 255 on 8 bits: 1 for a frozen clip, so never show it alone. */
export function flicker(clip: Clip): number {
  const { see, result } = flickering();
  for (let frame = 0; frame < clip.frames; frame++) see(Uint8Array.from(clipFrame(clip, frame), toByte));
  return result();
}

/** {@link flicker} of frames one after the other. */
export function flickering(): { see(frame: Uint8Array): void; result(): number } {
  let before: Uint8Array | null = null;
  let [sum, frames] = [0, 0];
  return {
    see: (frame) => {
      if (before) for (let i = 0; i < frame.length; i++) sum += Math.abs(frame[i]! - before[i]!);
      before = frame;
      frames++;
    },
    result: () => {
      if (before === null || frames < 2) throw new RangeError(`flicker: wanted two frames or more, received ${frames}`);
      return 1 - sum / (255 * before.length * (frames - 1));
    },
  };
}

/**
 * Subject or background consistency of one clip from one feature vector per frame (T of D): for t >= 1 the mean
 * of max(0, cos) to the frame before and to the first one; `score` is the mean over t.
 * Source: VBench vbench/subject_consistency.py.
 */
export function consistency(features: readonly ArrayLike<number>[]): { score: number; perFrame: number[] } {
  const [first] = features;
  if (first === undefined || features.length < 2) {
    throw new RangeError(`consistency: wanted features of two frames or more, received ${features.length}`);
  }
  const perFrame = features.slice(1).map((feature, i) => {
    return (Math.max(0, cosine(features[i]!, feature)) + Math.max(0, cosine(first, feature))) / 2;
  });
  return { score: mean(perFrame), perFrame };
}

function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length)
    throw new RangeError(`features have ${a.length} and ${b.length} values; wanted equal lengths`);
  let [dot, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!;
    aa += a[i]! ** 2;
    bb += b[i]! ** 2;
  }
  return dot / Math.max(Math.sqrt(aa) * Math.sqrt(bb), 1e-12);
}

/** Whether a clip moves, and how clearly. */
export interface DynamicDegree {
  moving: boolean;
  /** Pixels per sampled frame pair that count as motion. */
  threshold: number;
  /** Pairs above the threshold that make a moving clip. */
  needed: number;
  /** Mean of the largest 5 % flow magnitudes of each pair, in pixels. */
  scores: number[];
  /** Mean score as if the shorter side had 256 px; unlike `moving` it does not saturate. */
  continuous: number;
}

const TOP_SHARE = 0.05;
const REFERENCE_FPS = 8;
const REFERENCE_SIDE = 256;
const REFERENCE_FRAMES = 16;

/** Every k-th frame with k = max(1, round(fps / 8)), halves to even: about 8 frames a second. */
export function sampledFrames(frames: number, fps: number): { interval: number; kept: number[] } {
  if (!(fps > 0)) throw new RangeError(`fps is ${fps}; wanted the true frame rate of the clip`);
  const interval = Math.max(1, roundHalfEven(fps / REFERENCE_FPS));
  const kept = Array.from({ length: Math.ceil(frames / interval) }, (_, i) => i * interval);
  return { interval, kept };
}

/** Mean of the largest floor(share H W) magnitudes of a flow field [H, W] (at least one). */
export function topMagnitude(u: ArrayLike<number>, v: ArrayLike<number>, share: number = TOP_SHARE): number {
  const magnitudes = new Float64Array(u.length);
  for (let i = 0; i < u.length; i++) magnitudes[i] = Math.hypot(u[i]!, v[i]!);
  magnitudes.sort();
  const count = Math.max(1, Math.floor(share * magnitudes.length));
  const top = magnitudes.subarray(magnitudes.length - count);
  return mean(top);
}

/**
 * VBench's rule for one clip: moving if at least round(4 n / 16) of the n - 1 frame pairs have a score above
 * 6 min(H, W) / 256. `scores` are those of `topMagnitude`, one per pair; `height` and `width` are those of the
 * frames before any padding. Source: VBench vbench/dynamic_degree.py.
 */
export function dynamicDegree(scores: readonly number[], height: number, width: number): DynamicDegree {
  if (scores.length === 0)
    throw new RangeError('dynamicDegree received no frame pair; wanted two frames or more at about 8 a second');
  const side = Math.min(height, width);
  const threshold = (6 * side) / REFERENCE_SIDE;
  const needed = roundHalfEven((4 * (scores.length + 1)) / REFERENCE_FRAMES);
  const above = scores.filter((score) => score > threshold).length;
  const continuous = (mean(scores) * REFERENCE_SIDE) / side;
  return { moving: above >= needed, threshold, needed, scores: [...scores], continuous };
}

/** `dynamicDegree` of a clip, thinned to about 8 frames a second, with any flow estimator between grey frames. */
export function clipDynamicDegree(clip: Clip, estimate: FlowEstimator = lucasKanade): DynamicDegree {
  const { kept } = sampledFrames(clip.frames, clip.fps);
  const planes = kept.map((frame) => luma(clip, frame));
  return flowDynamicDegree(
    planes.slice(1).map((plane, i) => estimate(planes[i]!, plane)),
    clip,
  );
}

/** `dynamicDegree` from the flows of the pairs that count. */
export function flowDynamicDegree(
  flows: readonly Pick<Flow, 'u' | 'v'>[],
  size: Pick<Clip, 'height' | 'width'>,
): DynamicDegree {
  const scores = flows.map(({ u, v }) => topMagnitude(u, v));
  return dynamicDegree(scores, size.height, size.width);
}
