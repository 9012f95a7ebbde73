/** How well flow explains a clip: from frame to frame, and halfway between neighbours; only where it can be trusted. */
import { type Clip, clipFrame } from '../../io/index.ts';
import { toByte } from '../../io/internal.ts';
import { type Flow, lucasKanade, warp } from '../flow/lucas-kanade.ts';
import { channel, luma, type Plane, sample } from '../flow/plane.ts';

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
 * `forward` and `backward` are the flows of each pair of frames.
 */
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
export function interpolationSmoothness(clip: Clip): InterpolationSmoothness {
  if (clip.frames < 3) {
    throw new RangeError(`interpolationSmoothness needs three frames or more; the clip has ${clip.frames}`);
  }
  let [flow, blend, count] = [0, 0, 0];
  for (let odd = 1; odd + 1 < clip.frames; odd += 2) {
    const [before, after] = [luma(clip, odd - 1), luma(clip, odd + 1)];
    const [there, back] = [lucasKanade(before, after), lucasKanade(after, before)];
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

/**
 * 1 where the flow from one frame to the next can be trusted, [H, W]: it stays in the image, forward and backward
 * flow cancel (|w + w'|^2 <= .01 (|w|^2 + |w'|^2) + .5) and it has no edge (|grad u|^2 + |grad v|^2 <= .01 |w|^2 + .002).
 * Source: Sundaram, Brox and Keutzer 2010.
 */
export function trusted(forward: Flow, backward: Flow): Uint8Array {
  const { u, v, height, width } = forward;
  const back = (data: Float32Array): Float32Array => warp({ data, height, width }, u, v).data;
  const [backU, backV] = [back(backward.u), back(backward.v)];
  const out = new Uint8Array(u.length);
  for (let i = 0; i < out.length; i++) {
    const [x, y] = [(i % width) + u[i]!, Math.floor(i / width) + v[i]!];
    const inside = x >= 0 && y >= 0 && x <= width - 1 && y <= height - 1;
    const square = u[i]! ** 2 + v[i]! ** 2;
    const cycle = (u[i]! + backU[i]!) ** 2 + (v[i]! + backV[i]!) ** 2;
    const agrees = cycle <= 0.01 * (square + backU[i]! ** 2 + backV[i]! ** 2) + 0.5;
    out[i] = inside && agrees && edge(forward, i) <= 0.01 * square + 0.002 ? 1 : 0;
  }
  return out;
}

/** |grad u|^2 + |grad v|^2 by central differences, border repeated. */
function edge({ u, v, height, width }: Flow, i: number): number {
  const [x, y] = [i % width, Math.floor(i / width)];
  const [left, right] = [y * width + Math.max(x - 1, 0), y * width + Math.min(x + 1, width - 1)];
  const [above, below] = [Math.max(y - 1, 0) * width + x, Math.min(y + 1, height - 1) * width + x];
  const slope = (data: Float32Array) =>
    ((data[right]! - data[left]!) / 2) ** 2 + ((data[below]! - data[above]!) / 2) ** 2;
  return slope(u) + slope(v);
}
