/** Clips of the moving digits: handwriting painted in a colour, moving straight and never leaving the frame. */
import type { Clip } from '../../io/index.ts';
import { type Key, random } from '../../nn/index.ts';
import type { PromptSet, Split } from '../world.ts';
import { COLOURS, type Colour, caption, DIRECTIONS, type Label, labels, SPEEDS } from './captions.ts';
import { EXEMPLAR_SIZE, exemplar, exemplarCount } from './exemplars.ts';

/** Side of a frame in pixels. */
export const SIZE = 32;
/** Frames in a clip. */
export const FRAMES = 9;
/** Frames per second. */
export const FPS = 8;

/** A captioned clip with everything that is known about it. */
export interface DigitClip {
  /** [9, 32, 32, 3] in [0, 1], black ground, 8 frames per second. */
  clip: Clip;
  caption: string;
  label: Label;
  /** [dx, dy] in pixels per frame; [0, 0] for a still clip. */
  motion: [number, number];
  /** Intensity-weighted centre [x, y] of the digit in each frame, in pixels. */
  centroids: [number, number][];
  /** Which handwriting of the digit was used, within its split. */
  exemplar: number;
}

/** Dials of `clip`. */
export interface ClipOptions {
  /** Same seed and index, same clip. @defaultValue 0 */
  seed?: number | string;
  /** Handwriting to draw from. @defaultValue 'train' */
  split?: Split;
  /** Labels to draw from. @defaultValue 'seen' in the train split, 'all' in the test split */
  prompts?: PromptSet;
  /** Only the first so many exemplars of each digit. @defaultValue all of the split */
  exemplars?: number;
  /** What to show. @defaultValue drawn */
  label?: Label;
  /** Keeps the digit where it starts; the caption still claims that it moves. @defaultValue false */
  still?: boolean;
}

interface Draw {
  label: Label;
  exemplar: number;
  start: [number, number];
}

/**
 * The index-th clip of an endless, fixed sequence: label, handwriting and start are drawn from `seed`
 * and `index` alone, the start so that the digit never leaves the frame.
 */
export function clip(index: number, options: ClipOptions = {}): DigitClip {
  const { label, exemplar: chosen, start } = draw(index, options);
  const glyph = exemplar(label.digit, chosen, options.split ?? 'train');
  const motion = options.still ? ([0, 0] as [number, number]) : velocity(label);
  const centre = glyphCentroid(glyph);
  const data = new Float32Array(FRAMES * SIZE * SIZE * 3);
  const centroids: [number, number][] = [];
  for (let frame = 0; frame < FRAMES; frame++) {
    const x = start[0] + frame * motion[0];
    const y = start[1] + frame * motion[1];
    paint(data.subarray(frame * SIZE * SIZE * 3), glyph, label.colour, x, y);
    centroids.push([x + centre[0], y + centre[1]]);
  }
  const video = { data, frames: FRAMES, height: SIZE, width: SIZE, fps: FPS };
  return { clip: video, caption: caption(label), label, motion, centroids, exemplar: chosen };
}

/** Ground-truth motion [dx, dy] of a label in pixels per frame. */
export function velocity({ direction, speed }: Label): [number, number] {
  const [x, y] = DIRECTIONS[direction];
  return [x * SPEEDS[speed], y * SPEEDS[speed]];
}

function draw(index: number, options: ClipOptions): Draw {
  const { seed = 0, split = 'train', prompts, exemplars, label: given } = options;
  if (!Number.isInteger(index) || index < 0) throw new RangeError(`index: wanted an integer from 0, received ${index}`);
  if (exemplars !== undefined && !(Number.isInteger(exemplars) && exemplars >= 1)) {
    throw new RangeError(`exemplars: wanted a positive integer, received ${exemplars}`);
  }
  const key = random.key(seed).stream('digits').stream(split).stream(index);
  const label = given ?? key.stream('label').choice(labels(prompts ?? (split === 'train' ? 'seen' : 'all')));
  const count = Math.min(exemplars ?? Number.POSITIVE_INFINITY, exemplarCount(label.digit, split));
  const [dx, dy] = velocity(label);
  const start: [number, number] = [place(key.stream('x'), dx), place(key.stream('y'), dy)];
  return { label, exemplar: key.stream('exemplar').integer(0, count), start };
}

/** Uniform integer start on one axis from which `step` pixels a frame never cross the border. */
function place(key: Key, step: number): number {
  const travel = step * (FRAMES - 1);
  return key.integer(Math.max(0, -travel), SIZE - EXEMPLAR_SIZE - Math.max(0, travel) + 1);
}

/**
 * Paints a coloured digit into `frame` [32, 32, 3] with its top left corner at the integer place (x, y);
 * what falls outside the frame is cut. The frame is expected black.
 */
export function paint(frame: Float32Array, glyph: Float32Array, colour: Colour, x: number, y: number): void {
  const [red, green, blue] = COLOURS[colour];
  for (let row = 0; row < EXEMPLAR_SIZE; row++) {
    for (let column = 0; column < EXEMPLAR_SIZE; column++) {
      const [px, py] = [x + column, y + row];
      if (px < 0 || py < 0 || px >= SIZE || py >= SIZE) continue;
      const value = glyph[row * EXEMPLAR_SIZE + column]!;
      const at = 3 * (py * SIZE + px);
      frame[at] = value * red;
      frame[at + 1] = value * green;
      frame[at + 2] = value * blue;
    }
  }
}

/** Intensity-weighted centre [x, y] of an exemplar [14, 14], in its own pixel coordinates. */
export function glyphCentroid(glyph: Float32Array): [number, number] {
  let [mass, sumX, sumY] = [0, 0, 0];
  for (let i = 0; i < glyph.length; i++) {
    mass += glyph[i]!;
    sumX += glyph[i]! * (i % EXEMPLAR_SIZE);
    sumY += glyph[i]! * Math.floor(i / EXEMPLAR_SIZE);
  }
  return [sumX / mass, sumY / mass];
}
