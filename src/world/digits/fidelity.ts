/** Whether clips show what their captions say: the digit by the classifier, the rest on the pixels without a network. */
import { tf } from '../../engine/tf.ts';
import type { Interval } from '../../evaluate/index.ts';
import { wilson } from '../../evaluate/internal.ts';
import { type Clip, clipFrame } from '../../io/index.ts';
import type { Part } from '../../nn/index.ts';
import { COLOUR_NAMES, COLOURS, type Colour, type Direction, type Label, SPEEDS, type Speed } from './captions.ts';
import { type ClassifierConfig, classify } from './classifier.ts';

/** What one clip shows, and whether that is what its caption says. */
export interface ClipFidelity {
  seen: Label & { still: boolean; pxPerFrame: number; digitProbability: number };
  right: Record<keyof Label, boolean>;
}

/** Shares of clips that show what their captions say, with 95 % Wilson intervals. */
export interface CaptionFidelity extends Record<keyof Label, Interval> {
  /** All four at once. */
  all: Interval;
  /** Clips whose digit does not move. */
  still: Interval;
  clips: ClipFidelity[];
}

const BATCH = 64;

/**
 * Caption fidelity of generated clips of the digit world: the digit by a classifier on the middle frame; colour,
 * direction and speed measured on the pixels without any network. A still clip has neither direction nor speed right.
 *
 * @param labels - what each clip should show, for instance `parseCaption(prompt)`
 */
export async function captionFidelity(
  clips: readonly Clip[],
  labels: readonly Label[],
  classifier: Part<ClassifierConfig>,
): Promise<CaptionFidelity> {
  if (clips.length === 0 || clips.length !== labels.length) {
    throw new RangeError(
      `labels: wanted one for each clip, of one clip or more; received ${labels.length} for ${clips.length} clips`,
    );
  }
  const digitsSeen = await classifyMiddle(clips, classifier);
  const each = clips.map((clip, i) => judge(clip, labels[i]!, digitsSeen[i]!));
  const share = (is: (clip: ClipFidelity) => boolean): Interval => wilson(each.filter(is).length, each.length);
  return {
    digit: share(({ right }) => right.digit),
    colour: share(({ right }) => right.colour),
    direction: share(({ right }) => right.direction),
    speed: share(({ right }) => right.speed),
    all: share(({ right }) => Object.values(right).every(Boolean)),
    still: share(({ seen }) => seen.still),
    clips: each,
  };
}

function judge(clip: Clip, label: Label, { label: digit, probability }: Seen): ClipFidelity {
  const { direction, speed, still, pxPerFrame } = digitMotion(clip);
  const colour = digitColour(clip);
  return {
    seen: { digit, colour, direction, speed, still, pxPerFrame, digitProbability: probability },
    right: {
      digit: digit === label.digit,
      colour: colour === label.colour,
      direction: !still && direction === label.direction,
      speed: !still && speed === label.speed,
    },
  };
}

interface Seen {
  label: number;
  probability: number;
}

async function classifyMiddle(clips: readonly Clip[], classifier: Part<ClassifierConfig>): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (let start = 0; start < clips.length; start += BATCH) {
    const some = clips.slice(start, start + BATCH);
    const [{ height, width }] = some as [Clip];
    const values = new Float32Array(some.length * height * width * 3);
    for (const [i, clip] of some.entries()) values.set(clipFrame(clip, clip.frames >> 1), i * height * width * 3);
    const frames = tf.tensor4d(values, [some.length, height, width, 3]);
    seen.push(...(await classify(classifier, frames)));
    frames.dispose();
  }
  return seen;
}

/** What a moving-digits clip shows, measured on its pixels. */
export interface DigitMotion {
  /** Mean displacement of the lit shape in pixels per frame, x right and y down. */
  displacement: [number, number];
  /** Length of the displacement. */
  pxPerFrame: number;
  /** By the larger component of the displacement. */
  direction: Direction;
  /** The nearer of the two speeds. */
  speed: Speed;
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
  const { slowly, quickly } = SPEEDS;
  const speed = pxPerFrame > (slowly + quickly) / 2 ? 'quickly' : 'slowly';
  return { displacement: [dx, dy], pxPerFrame, direction, speed, still: pxPerFrame < STILL_BELOW };
}

/** The colour of the lit pixels of all frames: the one of the six that points the same way in RGB. */
export function digitColour({ data }: Clip): Colour {
  const sum = [0, 0, 0];
  const floor = LIT * data.reduce((top, value) => Math.max(top, value), 0);
  for (let at = 0; at < data.length; at += 3) {
    if (Math.max(data[at]!, data[at + 1]!, data[at + 2]!) <= floor) continue;
    for (let channel = 0; channel < 3; channel++) sum[channel]! += data[at + channel]!;
  }
  const likeness = COLOUR_NAMES.map((name) => cosine(sum, COLOURS[name]));
  return COLOUR_NAMES[likeness.indexOf(Math.max(...likeness))]!;
}

function cosine(a: readonly number[], b: readonly number[]): number {
  const dot = a.reduce((total, value, i) => total + value * b[i]!, 0);
  return dot / (Math.hypot(...a) * Math.hypot(...b) || 1);
}
