import { COLOUR_NAMES, caption, DIRECTION_NAMES, type Label, NUMBERS, SPEED_NAMES } from './vocabulary.ts';

/** `seen` labels occur in training, `held-out` ones never do, `all` is both. */
export type PromptSet = 'seen' | 'held-out' | 'all';

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

/**
 * Captions of a set. `count` takes that many spread evenly over the set (all when left out), so that
 * even a short list varies every word.
 */
export function prompts(set: PromptSet = 'all', count?: number): string[] {
  const all = labels(set);
  if (count === undefined) return all.map(caption);
  if (!Number.isInteger(count) || count < 1 || count > all.length) {
    throw new RangeError(`count is ${count}; the set "${set}" has 1 to ${all.length} prompts`);
  }
  return Array.from({ length: count }, (_, i) => caption(all[spread(i, count, all.length)]!));
}

/** The i-th of `count` distinct places in 0..length-1, visited with a stride that shares no factor with length. */
function spread(i: number, count: number, length: number): number {
  let stride = Math.floor(length * 0.6180339887);
  while (divisor(stride, length) !== 1) stride++;
  return count === length ? i : (i * stride) % length;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
