/** What the captions of the sprites say: a thing, a place, sometimes a kind of motion, never how much of it. */
import type { PromptSet } from '../world.ts';

/** What moves; also the names of the pictures. */
export const THINGS = [
  'ladybird',
  'tiger',
  'panda',
  'bee',
  'butterfly',
  'fish',
  'football',
  'watermelon',
  'strawberry',
  'mushroom',
  'doughnut',
  'rocket',
] as const;
/** Where it moves; also the names of the pictures. */
export const PLACES = ['meadow', 'beach', 'night', 'desert'] as const;
/** How it moves, with the verb that a caption may name it by. */
export const VERBS = { drift: 'drifts', hop: 'hops', sway: 'sways' } as const;

export type Thing = (typeof THINGS)[number];
export type Place = (typeof PLACES)[number];
/** A kind of motion that captions may name. */
export type NamedKind = keyof typeof VERBS;
export type Kind = 'still' | NamedKind;

/** All that a caption says. */
export interface Scene {
  readonly thing: Thing;
  readonly place: Place;
  /** The kind of motion, where the caption names one. */
  readonly named: NamedKind | null;
}

export const NAMED_KINDS: readonly NamedKind[] = Object.keys(VERBS) as NamedKind[];

/** The words of the captions, in the order of the text table's rows. */
export const WORDS: readonly string[] = ['a', 'in', 'on', 'the', ...Object.values(VERBS), ...THINGS, ...PLACES];

/** "a tiger on the beach", "a football hops in the night". */
export function caption({ thing, place, named }: Scene): string {
  const verb = named ? ` ${VERBS[named]}` : '';
  return `a ${thing}${verb} ${place === 'beach' ? 'on' : 'in'} the ${place}`;
}

/**
 * The scene that a caption of `caption()` states.
 *
 * @throws RangeError on any other sentence.
 */
export function parseCaption(text: string): Scene {
  const found = scenes().find((scene) => caption(scene) === text);
  if (found) return found;
  throw new RangeError(`caption: wanted the form "a tiger on the beach" or "a bee hops in the night", got "${text}"`);
}

/** Whether training never shows this thing in this place: 6 of the 48 pairs, each place among them. */
export function isHeldOut({ thing, place }: Pick<Scene, 'thing' | 'place'>): boolean {
  return (THINGS.indexOf(thing) + 2 * PLACES.indexOf(place)) % 8 === 3;
}

const known = new Map<PromptSet, readonly Scene[]>();

/** Scenes of a set in a fixed order: thing slowest, then place, then what is named. */
export function scenes(set: PromptSet = 'all'): readonly Scene[] {
  const list =
    known.get(set) ?? allScenes().filter((scene) => set === 'all' || isHeldOut(scene) === (set === 'held-out'));
  known.set(set, list);
  return list;
}

function allScenes(): Scene[] {
  return THINGS.flatMap((thing) =>
    PLACES.flatMap((place) => [null, ...NAMED_KINDS].map((named) => ({ thing, place, named }))),
  );
}
