import type { Key } from '../../../nn/index.ts';
import { digits } from '../../index.ts';

/** What the two sides of a pair differ in. */
export type PairKind = 'caption digit' | 'caption colour' | 'image digit' | 'image colour' | 'quality';

/** How often each kind of pair is drawn. */
export const PAIR_SHARES: Readonly<Record<PairKind, number>> = {
  'caption digit': 0.25,
  'caption colour': 0.15,
  'image digit': 0.25,
  'image colour': 0.15,
  quality: 0.2,
};

export const PAIR_KINDS: readonly PairKind[] = Object.keys(PAIR_SHARES) as PairKind[];

/** A picture under a caption. */
export interface PairSide {
  /** [32, 32, 3] in [0, 1] */
  picture: Float32Array;
  /** What the picture shows. */
  shown: digits.Label;
  caption: string;
}

/** One preference: everyone would choose `better`. */
export interface PreferencePair {
  kind: PairKind;
  better: PairSide;
  worse: PairSide;
}

const PIXELS = digits.SIZE * digits.SIZE * 3;

/**
 * One pair, drawn from `key` alone. Caption kinds show the same picture under a caption with another digit or colour;
 * image kinds show another digit or colour elsewhere under the same caption; `quality` shows the same content elsewhere,
 * blurred and noisy. Every picture has mild damage.
 */
export function preferencePair(key: Key, split: digits.Split = 'train'): PreferencePair {
  const kind = chooseKind(key.stream('kind').uniform([1]).data[0]!);
  const label = key.stream('label').choice(digits.labels());
  const picture = digits.picture(label, split, digits.mildDamage(key.stream('better')), key.stream('better'));
  const caption = digits.caption(label);
  const other = changed(label, kind, key.stream('other'));
  const better = { picture, shown: label, caption };
  if (kind === 'caption digit' || kind === 'caption colour') {
    return { kind, better, worse: { ...better, caption: digits.caption(other) } };
  }
  const worseKey = key.stream('worse');
  const damage = kind === 'quality' ? heavyDamage(worseKey) : digits.mildDamage(worseKey);
  const worse = { picture: digits.picture(other, split, damage, worseKey), shown: other, caption };
  return { kind, better, worse };
}

function chooseKind(u: number): PairKind {
  let left = u;
  for (const kind of PAIR_KINDS) {
    left -= PAIR_SHARES[kind];
    if (left < 0) return kind;
  }
  return 'quality';
}

function changed(label: digits.Label, kind: PairKind, key: Key): digits.Label {
  if (kind.endsWith('digit')) {
    return { ...label, digit: (label.digit + key.integer(1, digits.NUMBERS.length)) % digits.NUMBERS.length };
  }
  if (!kind.endsWith('colour')) return label;
  return { ...label, colour: key.choice(digits.COLOUR_NAMES.filter((name) => name !== label.colour)) };
}

function heavyDamage(key: Key): digits.Damage {
  const { blur, noise } = digits.mildDamage(key);
  const extra = (name: string, low: number, high: number): number => {
    return key.stream(`extra ${name}`).uniform([1], low, high).data[0]!;
  };
  return { blur: blur + extra('blur', 0.4, 1.2), noise: noise + extra('noise', 0.05, 0.2) };
}

/** Pairs stacked for training; rows 0 to B-1 are the better sides, rows B to 2B-1 the worse ones. */
export interface PreferenceBatch {
  /** [2B, 32, 32, 3] */
  pictures: Float32Array;
  /** [2B, length] */
  tokens: Int32Array;
  /** Digit of each picture, [2B]. */
  digits: Int32Array;
  /** Colour index of each picture, [2B]. */
  colours: Int32Array;
  kinds: PairKind[];
}

/** `size` pairs drawn from `key`. */
export function preferenceBatch(
  key: Key,
  size: number,
  textLength: number,
  split: digits.Split = 'train',
): PreferenceBatch {
  const pairs = Array.from({ length: size }, (_, i) => preferencePair(key.stream(i), split));
  const sides = [...pairs.map((pair) => pair.better), ...pairs.map((pair) => pair.worse)];
  const pictures = new Float32Array(sides.length * PIXELS);
  for (const [i, side] of sides.entries()) pictures.set(side.picture, i * PIXELS);
  return {
    pictures,
    tokens: Int32Array.from(sides.flatMap((side) => digits.tokenize(side.caption, textLength))),
    digits: Int32Array.from(sides, ({ shown }) => shown.digit),
    colours: Int32Array.from(sides, ({ shown }) => digits.COLOUR_NAMES.indexOf(shown.colour)),
    kinds: pairs.map(({ kind }) => kind),
  };
}
