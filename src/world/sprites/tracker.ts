/** What clips show, seen without a network: which thing, where in each frame, how fast and how sharp, and which place. */
import { type Clip, clipFrame } from '../../io/index.ts';
import { PLACES, type Place, THINGS, type Thing } from './captions.ts';
import { picture } from './clip.ts';
import { type Point, SIZE, SPRITE } from './motion.ts';
import { ground, PHASES } from './pictures.ts';
import { halfTemplate, halved, likeness, template } from './templates.ts';

/** What one clip shows. */
export interface Tracked {
  readonly thing: Thing;
  readonly place: Place;
  /** Centre [x, y] of the thing in each frame, in pixels, to a quarter of one. */
  readonly path: readonly Point[];
  /** Correlation of the thing's picture with each frame there, 1 at most; blur lowers it. */
  readonly likeness: readonly number[];
  /** Mean way from frame to frame in pixels. */
  readonly pxPerFrame: number;
  /** Sharpness of the thing in each frame, {@link sharpnessOf}. */
  readonly sharpness: readonly number[];
}

/**
 * Follows the thing of a clip of this world by templates: the thing whose picture correlates best over all frames, and in
 * each frame the place, to a quarter of a pixel, where it does.
 *
 * @throws RangeError unless the frames have 64x64 pixels.
 * @example const { thing, pxPerFrame, sharpness } = track(spriteWorld().clip(0).clip)
 */
export function track(clip: Clip): Tracked {
  if (clip.height !== SIZE || clip.width !== SIZE) {
    throw new RangeError(`clip: wanted frames of ${SIZE} x ${SIZE} pixels, received ${clip.width} x ${clip.height}`);
  }
  const frames = Array.from({ length: clip.frames }, (_, frame) => clipFrame(clip, frame));
  const halves = frames.map((frame) => halved(frame, SIZE, 3));
  const guesses = THINGS.map((thing) => halves.map((half) => roughly(half, thing)));
  const totals = guesses.map((places) => places.reduce((sum, place) => sum + place.likeness, 0));
  const best = totals.indexOf(Math.max(...totals));
  const thing = THINGS[best]!;
  const found = frames.map((frame, i) => exactly(frame, thing, guesses[best]![i]!));
  const corners = found.map(({ x, y }): Point => [x, y]);
  const place = placeOf(frames, corners);
  return {
    thing,
    place,
    path: corners.map(([x, y]) => [x + SPRITE / 2, y + SPRITE / 2]),
    likeness: found.map((one) => one.likeness),
    pxPerFrame: pxPerFrame(corners),
    sharpness: frames.map((frame, i) => sharpnessOf(frame, { thing, place }, corners[i]!)),
  };
}

/** Mean way from point to point. */
export function pxPerFrame(path: readonly Point[]): number {
  const steps = path.slice(1).map(([x, y], i) => Math.hypot(x - path[i]![0], y - path[i]![1]));
  return steps.reduce((sum, step) => sum + step, 0) / steps.length;
}

/** A top left corner and how much a thing is like the frame there. */
interface Found {
  readonly x: number;
  readonly y: number;
  readonly likeness: number;
}

/** The farthest top left corner. */
const HIGH = SIZE - SPRITE;

/** The best place at every other pixel, on a frame of half the size. */
function roughly(half: Float32Array, thing: Thing): Found {
  const small = halfTemplate(thing);
  return bestOf(span(0, HIGH, 2), span(0, HIGH, 2), (x, y) => likeness(half, 3 * ((y * SIZE) / 4 + x / 2), small));
}

/** The best place to a quarter of a pixel near a rough one. */
function exactly(frame: Float32Array, thing: Thing, { x, y }: Found): Found {
  const at = (x: number, y: number): number => {
    const [left, top] = [Math.floor(x), Math.floor(y)];
    const shifted = template(thing, (x - left) * PHASES, (y - top) * PHASES);
    return likeness(frame, 3 * (top * SIZE + left), shifted);
  };
  const whole = bestOf(span(x - 2, x + 2, 1), span(y - 2, y + 2, 1), at);
  const [near, step] = [1 - 1 / PHASES, 1 / PHASES];
  return bestOf(span(whole.x - near, whole.x + near, step), span(whole.y - near, whole.y + near, step), at);
}

function span(from: number, to: number, step: number): number[] {
  const all = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, i) => from + i * step);
  return all.filter((value) => value >= 0 && value <= HIGH);
}

function bestOf(columns: readonly number[], rows: readonly number[], at: (x: number, y: number) => number): Found {
  let best: Found = { x: 0, y: 0, likeness: Number.NEGATIVE_INFINITY };
  for (const y of rows) {
    for (const x of columns) {
      const found = at(x, y);
      if (found > best.likeness) best = { x, y, likeness: found };
    }
  }
  return best;
}

/** The place that the frames are nearest to outside of the thing. */
function placeOf(frames: readonly Float32Array[], corners: readonly Point[]): Place {
  const distances = PLACES.map((place) => {
    return frames.reduce((sum, frame, i) => sum + distance(frame, ground(place), corners[i]!), 0);
  });
  return PLACES[distances.indexOf(Math.min(...distances))]!;
}

/** Sum of squared differences of two frames outside of the square of a thing. */
function distance(frame: Float32Array, other: Float32Array, [left, top]: Point): number {
  let sum = 0;
  for (let i = 0; i < frame.length; i++) {
    const [x, y] = [Math.floor(i / 3) % SIZE, Math.floor(i / (3 * SIZE))];
    if (x >= left - 1 && x <= left + SPRITE && y >= top - 1 && y <= top + SPRITE) continue;
    sum += (frame[i]! - other[i]!) ** 2;
  }
  return sum;
}

/**
 * How sharp a thing is in a frame [64, 64, 3] with its top left corner there: gradient energy of the luma over its
 * square, divided by that of the same thing in the same place without any blur. 1 for a thing that stands still.
 */
export function sharpnessOf(
  frame: Float32Array,
  scene: { readonly thing: Thing; readonly place: Place },
  corner: Point,
): number {
  return (
    gradientEnergy(frame, corner) /
    gradientEnergy(
      picture(scene, () => corner, 0, 0),
      corner,
    )
  );
}

/** Mean squared gradient of the luma of a frame [64, 64, 3] over the square of a thing, by central differences. */
export function gradientEnergy(frame: Float32Array, [left, top]: Point): number {
  const luma = (x: number, y: number): number => {
    const at = 3 * (y * SIZE + x);
    return 0.299 * frame[at]! + 0.587 * frame[at + 1]! + 0.114 * frame[at + 2]!;
  };
  let [sum, count] = [0, 0];
  for (let y = Math.max(1, Math.floor(top)); y < Math.min(SIZE - 1, top + SPRITE); y++) {
    for (let x = Math.max(1, Math.floor(left)); x < Math.min(SIZE - 1, left + SPRITE); x++) {
      sum += ((luma(x + 1, y) - luma(x - 1, y)) / 2) ** 2 + ((luma(x, y + 1) - luma(x, y - 1)) / 2) ** 2;
      count++;
    }
  }
  return sum / count;
}
