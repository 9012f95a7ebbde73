/** What the captions of the moving digits say: digit, colour, direction, speed, and which of them training never sees. */
import type { PromptSet } from '../world.ts';

/** The six digit colours as linear [r, g, b] factors in [0, 1]. */
export const COLOURS = {
  red: [1, 0.2, 0.2],
  green: [0.2, 0.9, 0.2],
  blue: [0.3, 0.4, 1],
  yellow: [1, 0.9, 0.2],
  white: [1, 1, 1],
  purple: [0.8, 0.3, 0.9],
} as const;
/** Unit steps [dx, dy] in image axes: x to the right, y down. */
export const DIRECTIONS = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] } as const;
/** Pixels per frame. */
export const SPEEDS = { slowly: 1, quickly: 2 } as const;
/** Number words, at the index of the digit they name. */
export const NUMBERS = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'] as const;

export type Colour = keyof typeof COLOURS;
export type Direction = keyof typeof DIRECTIONS;
export type Speed = keyof typeof SPEEDS;

/** Everything that a caption says about a clip. */
export interface Label {
  /** 0..9 */
  digit: number;
  colour: Colour;
  direction: Direction;
  speed: Speed;
}

export const COLOUR_NAMES: readonly Colour[] = Object.keys(COLOURS) as Colour[];
export const DIRECTION_NAMES: readonly Direction[] = Object.keys(DIRECTIONS) as Direction[];
export const SPEED_NAMES: readonly Speed[] = Object.keys(SPEEDS) as Speed[];

/** The 25 words of the captions, in the order of the text table's rows. */
export const WORDS: readonly string[] = [
  'a',
  'digit',
  'moves',
  ...DIRECTION_NAMES,
  ...SPEED_NAMES,
  ...COLOUR_NAMES,
  ...NUMBERS,
];

/** "a {colour} digit {word} moves {direction} {slowly|quickly}". */
export function caption({ digit, colour, direction, speed }: Label): string {
  const number = NUMBERS[digit];
  if (number === undefined) throw new RangeError(`digit: wanted an integer from 0 to 9, received ${digit}`);
  return `a ${colour} digit ${number} moves ${direction} ${speed}`;
}

/** The label that a caption of `caption()` states. Throws on any other sentence. */
export function parseCaption(text: string): Label {
  const match = /^a (\w+) digit (\w+) moves (\w+) (\w+)$/.exec(text.trim());
  const [, colour = '', number = '', direction = '', speed = ''] = match ?? [];
  const digit = NUMBERS.indexOf(number as (typeof NUMBERS)[number]);
  if (digit < 0 || !(colour in COLOURS) || !(direction in DIRECTIONS) || !(speed in SPEEDS)) {
    throw new RangeError(`caption: wanted the form "a red digit three moves left slowly", received "${text}"`);
  }
  return { digit, colour, direction, speed } as Label;
}

/** True for one digit in ten of each (colour, direction, speed): 48 of the 480 labels, spread over all words. */
export function isHeldOut({ digit, colour, direction, speed }: Label): boolean {
  const offset =
    2 * COLOUR_NAMES.indexOf(colour) + 3 * DIRECTION_NAMES.indexOf(direction) + 5 * SPEED_NAMES.indexOf(speed);
  return (digit + offset) % NUMBERS.length === 0;
}

const known = new Map<PromptSet, readonly Label[]>();

/** Labels of a set in a fixed order: digit slowest, then colour, direction, speed. */
export function labels(set: PromptSet = 'all'): readonly Label[] {
  const list =
    known.get(set) ?? allLabels().filter((label) => set === 'all' || isHeldOut(label) === (set === 'held-out'));
  known.set(set, list);
  return list;
}

function allLabels(): Label[] {
  return NUMBERS.flatMap((_, digit) =>
    COLOUR_NAMES.flatMap((colour) =>
      DIRECTION_NAMES.flatMap((direction) => SPEED_NAMES.map((speed) => ({ digit, colour, direction, speed }))),
    ),
  );
}
