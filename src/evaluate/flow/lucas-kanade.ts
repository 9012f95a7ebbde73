import type { Clip } from '../../io/index.ts';
import { median5 } from './median.ts';
import { type Gradients, gaussianTaps, gradients, halve, luma, type Plane, sample } from './plane.ts';
import { PLANES, type WindowRoom, windowRoom, windowSums } from './window-sums.ts';

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
  const isStill = first.data.every((value, i) => value === second.data[i]);
  let field = zeros(from.at(-1)!);
  for (let level = from.length - 1; level >= 0; level--) {
    const [image, target] = [from[level]!, to[level]!];
    if (level < from.length - 1) field = enlarge(field, image);
    if (isStill) continue; // every step would be zero
    const room = workspace(image);
    for (let i = 0; i < iterations; i++) field = refine(field, target, room, taps, alpha);
  }
  return mask(field, first, taps, minEigenvalue);
}

/** What the steps on one level share: the first image with its gradients, and memory that each step fills anew. */
interface Workspace extends Gradients {
  readonly image: Plane;
  readonly warped: Plane;
  readonly inside: Uint8Array;
  /** xx, xy, yy, xt, yt, [H, W, 5]. */
  readonly products: Float32Array;
  readonly windows: WindowRoom;
}

function workspace(image: Plane): Workspace {
  const size = image.data.length;
  return {
    ...gradients(image),
    image,
    warped: { ...image, data: new Float32Array(size) },
    inside: new Uint8Array(size),
    products: new Float32Array(size * PLANES),
    windows: windowRoom(image),
  };
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

function refine({ u, v }: Field, second: Plane, room: Workspace, taps: Float64Array, alpha: number): Field {
  warpInto(room, second, u.data, v.data);
  fillProducts(room);
  const sums = windowSums(room.products, room.windows, taps);
  const out = { u: { ...u, data: u.data.slice() }, v: { ...v, data: v.data.slice() } };
  for (let i = 0, at = 0; i < u.data.length; i++, at += PLANES) {
    const a = sums[at]! + alpha;
    const b = sums[at + 1]!;
    const c = sums[at + 2]! + alpha;
    const xt = sums[at + 3]!;
    const yt = sums[at + 4]!;
    const determinant = a * c - b * b;
    const du = (b * yt - c * xt) / determinant;
    const dv = (b * xt - a * yt) / determinant;
    const isShort = du * du + dv * dv < 0.99 * LONGEST_STEP ** 2; // a root is slow, and rarely needed
    const scale = isShort ? 1 : Math.min(1, LONGEST_STEP / Math.hypot(du, dv));
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

/** {@link warp} into a workspace, with 1 where the flow stays within the image: outside is nothing to compare with. */
function warpInto({ warped, inside }: Workspace, image: Plane, u: Float32Array, v: Float32Array): void {
  const [right, bottom] = [image.width - 1, image.height - 1];
  for (let y = 0, i = 0; y <= bottom; y++) {
    for (let x = 0; x <= right; x++, i++) {
      const toX = x + u[i]!;
      const toY = y + v[i]!;
      warped.data[i] = sample(image, toX, toY);
      inside[i] = toX >= 0 && toY >= 0 && toX <= right && toY <= bottom ? 1 : 0;
    }
  }
}

/** Products of the mean gradient of both images and their difference in time; 0 outside. */
function fillProducts({ image, dx, dy, warped, inside, products }: Workspace): void {
  const { data, height, width } = warped;
  for (let y = 0, i = 0, at = 0; y < height; y++) {
    const [above, below] = [Math.max(y - 1, 0) * width, Math.min(y + 1, height - 1) * width];
    for (let x = 0; x < width; x++, i++, at += PLANES) {
      if (inside[i] === 0) {
        products.fill(0, at, at + PLANES);
        continue;
      }
      const left = x > 0 ? i - 1 : i;
      const right = x < width - 1 ? i + 1 : i;
      const gx = (dx[i]! + Math.fround((data[right]! - data[left]!) / 2)) / 2;
      const gy = (dy[i]! + Math.fround((data[below + x]! - data[above + x]!) / 2)) / 2;
      const t = data[i]! - image.data[i]!;
      products[at] = gx * gx;
      products[at + 1] = gx * gy;
      products[at + 2] = gy * gy;
      products[at + 3] = gx * t;
      products[at + 4] = gy * t;
    }
  }
}

function mask({ u, v }: Field, first: Plane, taps: Float64Array, minEigenvalue: number): Flow {
  const room = workspace(first);
  warpInto(room, first, zeros(first).u.data, zeros(first).v.data);
  fillProducts(room);
  const sums = windowSums(room.products, room.windows, taps);
  const valid = new Uint8Array(first.data.length);
  for (let i = 0, at = 0; i < valid.length; i++, at += PLANES) {
    const [xx, xy, yy] = [sums[at]!, sums[at + 1]!, sums[at + 2]!];
    valid[i] = (xx + yy) / 2 - Math.hypot((xx - yy) / 2, xy) >= minEigenvalue ? 1 : 0;
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
