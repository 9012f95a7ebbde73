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

/** All 27 words; the index is the token id. `[PAD]` is 0 and `[CLS]` is 1. */
export const VOCABULARY: readonly string[] = [
  '[PAD]',
  '[CLS]',
  'a',
  'digit',
  'moves',
  ...DIRECTION_NAMES,
  ...SPEED_NAMES,
  ...COLOUR_NAMES,
  ...NUMBERS,
];

const ids = new Map(VOCABULARY.map((word, id) => [word, id]));

/** "a {colour} digit {word} moves {direction} {slowly|quickly}". */
export function caption({ digit, colour, direction, speed }: Label): string {
  const number = NUMBERS[digit];
  if (number === undefined) throw new RangeError(`digit is ${digit}; want an integer from 0 to 9`);
  return `a ${colour} digit ${number} moves ${direction} ${speed}`;
}

/** The label that a caption of `caption()` states. Throws on any other sentence. */
export function parseCaption(text: string): Label {
  const match = /^a (\w+) digit (\w+) moves (\w+) (\w+)$/.exec(text.trim());
  const [, colour = '', number = '', direction = '', speed = ''] = match ?? [];
  const digit = NUMBERS.indexOf(number as (typeof NUMBERS)[number]);
  if (digit < 0 || !(colour in COLOURS) || !(direction in DIRECTIONS) || !(speed in SPEEDS)) {
    throw new Error(`caption "${text}" is not of the form "a red digit three moves left slowly"`);
  }
  return { digit, colour, direction, speed } as Label;
}

/**
 * Token ids of a caption: `[CLS]`, its words, then `[PAD]` up to `length`.
 * Throws on a word outside `VOCABULARY` and on a caption that does not fit.
 */
export function tokenize(text: string, length = 12): number[] {
  const words = ['[CLS]', ...text.toLowerCase().split(/\s+/).filter(Boolean)];
  if (words.length > length) {
    throw new RangeError(`caption "${text}" has ${words.length} tokens, length is ${length}: raise length`);
  }
  const tokens = words.map((word) => {
    const id = ids.get(word);
    if (id === undefined) throw new Error(`"${word}" in caption "${text}" is not one of: ${VOCABULARY.join(' ')}`);
    return id;
  });
  return [...tokens, ...new Array<number>(length - tokens.length).fill(0)];
}
