import type { Clip } from '../../io/index.ts';
import { type Key, random } from '../../nn/index.ts';
import { EXEMPLAR_SIZE, exemplar, exemplarCount, type Split } from './exemplars.ts';
import { labels, type PromptSet } from './prompts.ts';
import { glyphCentroid, paint, SIZE } from './render.ts';
import { caption, DIRECTIONS, type Label, SPEEDS } from './vocabulary.ts';

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

/** Dials of `clip` and `batch`. */
export interface ClipOptions {
  /** Same seed and index, same clip. Default 0. */
  seed?: number | string;
  /** Handwriting to draw from. Default `train`. */
  split?: Split;
  /** Labels to draw from. Default `seen` in the train split, `all` in the test split. */
  prompts?: PromptSet;
  /** Use only the first so many exemplars of each digit (all of the split when left out). */
  exemplars?: number;
  /** Show this label instead of drawing one. */
  label?: Label;
  /** Keep the digit where it starts; the caption still claims that it moves. */
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

/** Clips stacked for training. */
export interface DigitBatch {
  /** [B, 9, 32, 32, 3] in [0, 1]. */
  data: Float32Array;
  shape: [number, number, number, number, number];
  captions: string[];
  labels: Label[];
}

/** Clips `start` to `start + size - 1` of the sequence, stacked. */
export function batch(start: number, size: number, options: ClipOptions = {}): DigitBatch {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`size is ${size}; want a positive integer`);
  const length = FRAMES * SIZE * SIZE * 3;
  const data = new Float32Array(size * length);
  const clips = Array.from({ length: size }, (_, i) => clip(start + i, options));
  for (const [i, { clip: video }] of clips.entries()) data.set(video.data, i * length);
  return {
    data,
    shape: [size, FRAMES, SIZE, SIZE, 3],
    captions: clips.map((item) => item.caption),
    labels: clips.map((item) => item.label),
  };
}

/** Ground-truth motion [dx, dy] of a label in pixels per frame. */
export function velocity({ direction, speed }: Label): [number, number] {
  const [x, y] = DIRECTIONS[direction];
  return [x * SPEEDS[speed], y * SPEEDS[speed]];
}

function draw(index: number, options: ClipOptions): Draw {
  const { seed = 0, split = 'train', prompts, exemplars, label: given } = options;
  if (!Number.isInteger(index) || index < 0) throw new RangeError(`index is ${index}; want an integer from 0`);
  if (exemplars !== undefined && !(Number.isInteger(exemplars) && exemplars >= 1)) {
    throw new RangeError(`exemplars is ${exemplars}; want a positive integer`);
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
