import type { Clip } from '../../io/index.ts';
import { type Flow, lucasKanade } from './lucas-kanade.ts';
import { luma, type Plane } from './plane.ts';

/** Any way to get the flow from one frame to another. */
export type FlowEstimator = (first: Plane, second: Plane) => Flow;

/** Flow between neighbouring frames, one entry per pair (frames - 1 of them), from the earlier to the later or back. */
export function clipFlow(
  clip: Clip,
  estimate: FlowEstimator = lucasKanade,
  direction: 'forward' | 'backward' = 'forward',
): Flow[] {
  const planes = Array.from({ length: clip.frames }, (_, frame) => luma(clip, frame));
  return planes.slice(1).map((later, i) => {
    return direction === 'forward' ? estimate(planes[i]!, later) : estimate(later, planes[i]!);
  });
}
