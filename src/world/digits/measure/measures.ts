import type { Clip } from '../../../io/index.ts';
import { digits } from '../../index.ts';

/** What a moving-digits clip shows, measured on its pixels. */
export interface DigitMotion {
  /** Mean displacement of the lit shape in pixels per frame, x right and y down. */
  displacement: [number, number];
  /** Length of the displacement. */
  pxPerFrame: number;
  /** By the larger component of the displacement. */
  direction: digits.Direction;
  /** The nearer of the two speeds. */
  speed: digits.Speed;
  /** Below 0.25 px per frame. */
  still: boolean;
}

/** Below this displacement in pixels per frame a clip counts as still. */
export const STILL_BELOW = 0.25;
const LIT = 0.25;

/**
 * Intensity-weighted centre [x, y] of the pixels brighter than a quarter of the brightest one, for each frame;
 * null for a dark frame.
 */
export function centroids(clip: Clip): ([number, number] | null)[] {
  return Array.from({ length: clip.frames }, (_, frame) => centroid(clip, frame));
}

function centroid({ data, height, width }: Clip, frame: number): [number, number] | null {
  const size = height * width;
  const light = Float32Array.from({ length: size }, (_, i) => {
    const at = 3 * (frame * size + i);
    return Math.max(data[at]!, data[at + 1]!, data[at + 2]!);
  });
  const floor = LIT * light.reduce((top, value) => Math.max(top, value), 0);
  let [mass, sumX, sumY] = [0, 0, 0];
  for (let i = 0; i < size; i++) {
    if (light[i]! <= floor) continue;
    mass += light[i]!;
    sumX += light[i]! * (i % width);
    sumY += light[i]! * Math.floor(i / width);
  }
  return mass === 0 ? null : [sumX / mass, sumY / mass];
}

/** Direction and speed of the lit shape from its centre in the first and last lit frame. */
export function digitMotion(clip: Clip): DigitMotion {
  const seen = centroids(clip).flatMap((centre, frame) => (centre ? [{ centre, frame }] : []));
  const [first, last] = [seen[0], seen.at(-1)];
  const span = first && last ? last.frame - first.frame : 0;
  const step = (axis: 0 | 1): number => (span === 0 ? 0 : (last!.centre[axis] - first!.centre[axis]) / span);
  const [dx, dy] = [step(0), step(1)];
  const pxPerFrame = Math.hypot(dx, dy);
  const horizontal = Math.abs(dx) >= Math.abs(dy);
  const direction = horizontal ? (dx < 0 ? 'left' : 'right') : dy < 0 ? 'up' : 'down';
  const { slowly, quickly } = digits.SPEEDS;
  const speed = pxPerFrame > (slowly + quickly) / 2 ? 'quickly' : 'slowly';
  return { displacement: [dx, dy], pxPerFrame, direction, speed, still: pxPerFrame < STILL_BELOW };
}

/** The colour of the lit pixels of all frames: the one of the six that points the same way in RGB. */
export function digitColour({ data }: Clip): digits.Colour {
  const sum = [0, 0, 0];
  const floor = LIT * data.reduce((top, value) => Math.max(top, value), 0);
  for (let at = 0; at < data.length; at += 3) {
    if (Math.max(data[at]!, data[at + 1]!, data[at + 2]!) <= floor) continue;
    for (let channel = 0; channel < 3; channel++) sum[channel]! += data[at + channel]!;
  }
  const likeness = digits.COLOUR_NAMES.map((name) => cosine(sum, digits.COLOURS[name]));
  return digits.COLOUR_NAMES[likeness.indexOf(Math.max(...likeness))]!;
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((total, value, i) => total + value * b[i]!, 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b) || 1);
}
