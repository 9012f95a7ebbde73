import type { Clip } from '../../io/index.ts';
import { clipFlow, type FlowEstimator } from '../flow/clip-flow.ts';
import { type Flow, lucasKanade } from '../flow/lucas-kanade.ts';
import { channel, sample } from '../flow/plane.ts';
import { trusted } from './occlusion.ts';

/** How well the flow explains the change from frame to frame. */
export interface WarpingError {
  /** Mean over pairs of the squared difference after following the flow, summed over RGB; null below `MIN_VALID`. */
  error: number | null;
  /** Share of pixels whose flow could be trusted. */
  validShare: number;
}

/** With fewer trusted pixels than this share no warping error is reported. */
export const MIN_VALID = 0.3;

/**
 * Warping error E_t = sum V |I_t(x) - I_{t+1}(x + f_t(x))|^2 / sum V over trusted pixels V, mean over t. Uniform
 * brightness flicker of amplitude d gives 3 d^2; sharp strokes have a floor, to be read off ground-truth clips.
 */
export function warpingError(clip: Clip, estimate: FlowEstimator = lucasKanade): WarpingError {
  if (clip.frames < 2) throw new RangeError(`warpingError needs two frames or more; the clip has ${clip.frames}`);
  return warpingErrorAlong(clip, clipFlow(clip, estimate), clipFlow(clip, estimate, 'backward'));
}

/** `warpingError` along flows that are known, one forward and one backward for each pair of frames. */
export function warpingErrorAlong(clip: Clip, forward: readonly Flow[], backward: readonly Flow[]): WarpingError {
  let [sum, valid] = [0, 0];
  for (const [frame, flow] of forward.entries()) {
    const pair = pairError(clip, frame, flow, trusted(flow, backward[frame]!));
    sum += pair.error;
    valid += pair.validShare;
  }
  const validShare = valid / forward.length;
  return { error: validShare < MIN_VALID ? null : sum / forward.length, validShare };
}

function pairError(
  clip: Clip,
  frame: number,
  { u, v }: Flow,
  valid: Uint8Array,
): { error: number; validShare: number } {
  const { height, width } = clip;
  const next = [0, 1, 2].map((c) => channel(clip, frame + 1, c));
  const size = height * width;
  let [sum, count] = [0, 0];
  for (let i = 0; i < size; i++) {
    if (valid[i] === 0) continue;
    count++;
    const [x, y] = [(i % width) + u[i]!, Math.floor(i / width) + v[i]!];
    for (const [c, image] of next.entries()) {
      sum += (clip.data[3 * (frame * size + i) + c]! - sample(image, x, y)) ** 2;
    }
  }
  return { error: count === 0 ? 0 : sum / count, validShare: count / size };
}
