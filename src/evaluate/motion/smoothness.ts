import { type Clip, clipFrame } from '../../io/index.ts';
import { toByte } from '../../io/internal.ts';
import type { FlowEstimator } from '../flow/clip-flow.ts';
import { type Flow, lucasKanade } from '../flow/lucas-kanade.ts';
import { channel, luma, type Plane, sample } from '../flow/plane.ts';
import { trusted } from './occlusion.ts';

/** How well every other frame follows from its neighbours. It is not VBench's motion smoothness, which takes AMT-S. */
export interface InterpolationSmoothness {
  /** (255 - mean |frame - made frame|) / 255 on 8 bits, frames made by following the flow halfway. 1 when frozen. */
  flow: number;
  /** The same with the plain mean of the two neighbours. */
  blend: number;
}

/**
 * The protocol of VBench's motion smoothness with optical flow in place of its network: M = (A(x + b/2) + B(x + a/2)) / 2
 * with the flows a from A to B and b back, one side alone where the other cannot be trusted.
 */
export function interpolationSmoothness(clip: Clip, estimate: FlowEstimator = lucasKanade): InterpolationSmoothness {
  if (clip.frames < 3) {
    throw new RangeError(`interpolationSmoothness needs three frames or more; the clip has ${clip.frames}`);
  }
  let [flow, blend, count] = [0, 0, 0];
  for (let odd = 1; odd + 1 < clip.frames; odd += 2) {
    const [before, after] = [luma(clip, odd - 1), luma(clip, odd + 1)];
    const [there, back] = [estimate(before, after), estimate(after, before)];
    const shown = clipFrame(clip, odd);
    flow += difference(shown, midpoint(clip, odd, there, back));
    const [first, second] = [clipFrame(clip, odd - 1), clipFrame(clip, odd + 1)];
    blend += difference(shown, (i) => (first[i]! + second[i]!) / 2);
    count++;
  }
  return { flow: 1 - flow / count, blend: 1 - blend / count };
}

/** Values of the frame between, [H, W, 3] by index. */
function midpoint(clip: Clip, odd: number, there: Flow, back: Flow): (i: number) => number {
  const { width } = clip;
  const channels = [odd - 1, odd + 1].map((frame) => [0, 1, 2].map((c) => channel(clip, frame, c)));
  const [before, after] = channels as [Plane[], Plane[]];
  const [seenBefore, seenAfter] = [trusted(back, there), trusted(there, back)];
  return (i) => {
    const [pixel, c] = [Math.floor(i / 3), i % 3];
    const read = (plane: Plane, { u, v }: Flow): number => {
      return sample(plane, (pixel % width) + u[pixel]! / 2, Math.floor(pixel / width) + v[pixel]! / 2);
    };
    const [a, b] = [read(before[c]!, back), read(after[c]!, there)];
    if (seenBefore[pixel] === seenAfter[pixel]) return (a + b) / 2;
    return seenBefore[pixel] === 1 ? a : b;
  };
}

/** Mean absolute difference of 8-bit values over 255; what was made is cut off to whole numbers, as VBench does. */
function difference(shown: Float32Array, made: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < shown.length; i++) {
    const byte = Math.floor(Math.min(Math.max(255 * made(i), 0), 255) + 1e-4);
    sum += Math.abs(toByte(shown[i]!) - byte);
  }
  return sum / (255 * shown.length);
}
