import { tf } from '../../engine/tf.ts';
import { picture, scoresOf, type View, withFrame } from './view.ts';

export interface OcclusionOptions {
  /** Side of the covered square in pixels. @defaultValue a quarter of the shorter side */
  window?: number;
  /** Pixels between neighbouring squares. @defaultValue half of the window */
  stride?: number;
  /** What covers: the mean colour of the frame, or a grey value. @defaultValue 'mean' */
  fill?: 'mean' | number;
  /** Covered frames that are scored together. @defaultValue 16 */
  batch?: number;
}

/** What covering costs. */
export interface OcclusionMap {
  /** [H, W]: mean of R(frame) - R(covered frame) over the squares on a pixel; positive where the reward is earned. */
  data: Float32Array;
  window: number;
  stride: number;
}

type Corner = readonly [y: number, x: number];

/** Covers the frame square by square and maps what each costs; works for rewards without gradient. */
export async function occlusionMap(view: View, options: OcclusionOptions = {}): Promise<OcclusionMap> {
  const { height, width } = view.clip;
  const { window = Math.ceil(Math.min(height, width) / 4), fill = 'mean', batch = 16 } = options;
  const { stride = Math.ceil(window / 2) } = options;
  checkWindow(window, stride, Math.min(height, width));
  const plain = picture(view.clip, view.frame);
  const corners = places(height, window, stride).flatMap((y) =>
    places(width, window, stride).map((x): Corner => [y, x]),
  );
  const frame = { plain, colour: fill === 'mean' ? meanColour(plain) : [fill, fill, fill], height, width, window };
  const score = (pictures: readonly Float32Array[]): Promise<number[]> =>
    scoresOf(view, () => withFrame(view, tf.stack(pictures.map((data) => tf.tensor3d(data, [height, width, 3])))));
  const [own = 0] = await score([plain]);
  const costs: number[] = [];
  for (let at = 0; at < corners.length; at += batch) {
    const scores = await score(corners.slice(at, at + batch).map((corner) => covered(frame, corner)));
    costs.push(...scores.map((value) => own - value));
  }
  return { data: spread(frame, corners, costs), window, stride };
}

function checkWindow(window: number, stride: number, side: number): void {
  for (const [name, value] of Object.entries({ window, stride })) {
    if (Number.isInteger(value) && value >= 1 && value <= side) continue;
    throw new RangeError(`${name}: wanted an integer in 1..${side}, received ${value}`);
  }
}

/** Starts of windows that reach from the first pixel to the last. */
function places(extent: number, window: number, stride: number): number[] {
  const last = extent - window;
  const count = Math.ceil(last / stride);
  return Array.from({ length: count + 1 }, (_, i) => Math.min(i * stride, last));
}

function meanColour(data: Float32Array): number[] {
  const sums = [0, 0, 0];
  for (const [i, value] of data.entries()) sums[i % 3]! += value;
  return sums.map((sum) => (3 * sum) / data.length);
}

type Frame = { plain: Float32Array; colour: readonly number[]; height: number; width: number; window: number };

function covered({ plain, colour, width, window }: Frame, [top, left]: Corner): Float32Array {
  const data = plain.slice();
  for (let y = top; y < top + window; y++) {
    for (let i = 3 * (y * width + left); i < 3 * (y * width + left + window); i++) data[i] = colour[i % 3]!;
  }
  return data;
}

/** Mean cost of the squares on each pixel. */
function spread({ height, width, window }: Frame, corners: readonly Corner[], costs: readonly number[]): Float32Array {
  const [sums, counts] = [new Float32Array(height * width), new Float32Array(height * width)];
  for (const [i, [top, left]] of corners.entries()) {
    for (let y = top; y < top + window; y++) {
      for (let at = y * width + left; at < y * width + left + window; at++) {
        sums[at]! += costs[i]!;
        counts[at]! += 1;
      }
    }
  }
  return sums.map((sum, at) => sum / counts[at]!);
}
