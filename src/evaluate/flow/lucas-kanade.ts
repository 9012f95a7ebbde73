import type { Clip } from '../../io/index.ts';
import { blur, gaussianTaps, gradients, halve, luma, median5, type Plane, sample } from './plane.ts';

/** Displacements from one frame to the next: pixel (x, y) moves to (x + u, y + v), v pointing down. */
export interface Flow {
  /** [H, W] pixels to the right */
  u: Float32Array;
  /** [H, W] pixels down */
  v: Float32Array;
  /** [H, W] 1 where there is texture to follow; elsewhere the flow is 0. */
  valid: Uint8Array;
  height: number;
  width: number;
}

/** Dials of `lucasKanade`; the defaults are tuned for images in [0, 1]. */
export interface LucasKanadeOptions {
  /** Gauss-Newton steps per pyramid level. @defaultValue 8 */
  iterations?: number;
  /** Standard deviation of the window in pixels. @defaultValue 2.5 */
  sigma?: number;
  /** Added to the diagonal of the structure tensor. @defaultValue 1e-5 */
  alpha?: number;
  /** Texture below this smaller eigenvalue is not followed. @defaultValue 1e-6 */
  minEigenvalue?: number;
}

const SMALLEST_SIDE = 12;
const LONGEST_STEP = 1.5;

/**
 * Dense optical flow without a network: pyramidal iterative Lucas-Kanade. On each level, coarse to fine, the
 * second image is warped by the flow so far and d = -(sum g gT + alpha I)^-1 (sum g It) over a Gaussian window
 * is added, limited to 1.5 px, then both components pass a 5x5 median. Follows up to about min(H, W)/8 px.
 * `first` and `second` are [H, W] in [0, 1] of the same size. Source: Bouguet 2000, Lucas and Kanade 1981.
 */
export function lucasKanade(first: Plane, second: Plane, options: LucasKanadeOptions = {}): Flow {
  if (first.height !== second.height || first.width !== second.width) {
    const sizes = [first, second].map((plane) => `${plane.height}x${plane.width}`).join(' and ');
    throw new RangeError(`lucasKanade received planes of ${sizes}; both must have the same size`);
  }
  const { iterations = 8, sigma = 2.5, alpha = 1e-5, minEigenvalue = 1e-6 } = options;
  const taps = gaussianTaps(sigma, Math.ceil(3.2 * sigma));
  const [from, to] = [pyramid(first), pyramid(second)];
  let field = zeros(from.at(-1)!);
  for (let level = from.length - 1; level >= 0; level--) {
    if (level < from.length - 1) field = enlarge(field, from[level]!);
    for (let i = 0; i < iterations; i++) field = refine(field, from[level]!, to[level]!, taps, alpha);
  }
  return mask(field, first, taps, minEigenvalue);
}

interface Field {
  u: Plane;
  v: Plane;
}

function pyramid(plane: Plane): Plane[] {
  const levels = [plane];
  for (let top = plane; Math.min(top.height, top.width) / 2 >= SMALLEST_SIDE; levels.push(top)) top = halve(top);
  return levels;
}

function zeros({ height, width }: Plane): Field {
  const plane = () => ({ data: new Float32Array(height * width), height, width });
  return { u: plane(), v: plane() };
}

/** Twice the flow of the coarser level, sampled at half the coordinates (levels share their even pixels). */
function enlarge(field: Field, like: Plane): Field {
  const out = zeros(like);
  for (const axis of ['u', 'v'] as const) {
    for (let i = 0; i < like.data.length; i++) {
      const [x, y] = [i % like.width, Math.floor(i / like.width)];
      out[axis].data[i] = 2 * sample(field[axis], x / 2, y / 2);
    }
  }
  return out;
}

function refine({ u, v }: Field, first: Plane, second: Plane, taps: Float64Array, alpha: number): Field {
  const warped = warp(second, u.data, v.data);
  const { xx, xy, yy, xt, yt } = tensors(first, warped, taps, inside(u, v));
  const out = { u: { ...u, data: Float32Array.from(u.data) }, v: { ...v, data: Float32Array.from(v.data) } };
  for (let i = 0; i < u.data.length; i++) {
    const [a, b, c] = [xx[i]! + alpha, xy[i]!, yy[i]! + alpha];
    const determinant = a * c - b * b;
    const du = (b * yt[i]! - c * xt[i]!) / determinant;
    const dv = (b * xt[i]! - a * yt[i]!) / determinant;
    const scale = Math.min(1, LONGEST_STEP / (Math.hypot(du, dv) || 1));
    out.u.data[i]! += scale * du;
    out.v.data[i]! += scale * dv;
  }
  return { u: median5(out.u), v: median5(out.v) };
}

/** The image seen through the flow: out(x, y) = image(x + u, y + v), bilinear, border repeated. */
export function warp(image: Plane, u: Float32Array, v: Float32Array): Plane {
  const data = new Float32Array(image.data.length);
  for (let y = 0, i = 0; y < image.height; y++) {
    for (let x = 0; x < image.width; x++, i++) data[i] = sample(image, x + u[i]!, y + v[i]!);
  }
  return { ...image, data };
}

/** Window sums of products of the mean gradient of both images and their difference in time. */
function tensors(first: Plane, warped: Plane, taps: Float64Array, weight?: Uint8Array): Tensors {
  const [g, h] = [gradients(first), gradients(warped)];
  const out = {
    xx: likeData(first),
    xy: likeData(first),
    yy: likeData(first),
    xt: likeData(first),
    yt: likeData(first),
  };
  for (let i = 0; i < first.data.length; i++) {
    if (weight?.[i] === 0) continue;
    const x = (g.dx[i]! + h.dx[i]!) / 2;
    const y = (g.dy[i]! + h.dy[i]!) / 2;
    const t = warped.data[i]! - first.data[i]!;
    out.xx[i] = x * x;
    out.xy[i] = x * y;
    out.yy[i] = y * y;
    out.xt[i] = x * t;
    out.yt[i] = y * t;
  }
  for (const name of ['xx', 'xy', 'yy', 'xt', 'yt'] as const)
    out[name] = blur({ ...first, data: out[name] }, taps).data;
  return out;
}

/** 1 where the flow stays within the image: what it carries outside has no counterpart to compare with. */
function inside(u: Plane, v: Plane): Uint8Array {
  const out = new Uint8Array(u.data.length);
  for (let y = 0, i = 0; y < u.height; y++) {
    for (let x = 0; x < u.width; x++, i++) {
      const [toX, toY] = [x + u.data[i]!, y + v.data[i]!];
      out[i] = toX >= 0 && toY >= 0 && toX <= u.width - 1 && toY <= u.height - 1 ? 1 : 0;
    }
  }
  return out;
}

type Tensors = Record<'xx' | 'xy' | 'yy' | 'xt' | 'yt', Float32Array>;

function likeData(plane: Plane): Float32Array {
  return new Float32Array(plane.data.length);
}

function mask({ u, v }: Field, first: Plane, taps: Float64Array, minEigenvalue: number): Flow {
  const { xx, xy, yy } = tensors(first, first, taps);
  const valid = new Uint8Array(first.data.length);
  for (let i = 0; i < valid.length; i++) {
    const [half, gap] = [(xx[i]! + yy[i]!) / 2, (xx[i]! - yy[i]!) / 2];
    valid[i] = half - Math.hypot(gap, xy[i]!) >= minEigenvalue ? 1 : 0;
    if (valid[i] === 1) continue;
    u.data[i] = 0;
    v.data[i] = 0;
  }
  return { u: u.data, v: v.data, valid, height: first.height, width: first.width };
}

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
