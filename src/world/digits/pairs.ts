/** Preference pairs of the digits: what judges of this world learn to order. */
import type { Key } from '../../nn/index.ts';
import type { PreferenceTask, ShownPicture } from '../preference/index.ts';
import type { Split, WorldIdentity } from '../world.ts';
import { COLOUR_NAMES, caption, type Label, labels, NUMBERS, WORDS } from './captions.ts';
import { SIZE } from './clip.ts';
import { type Damage, drawnPicture, mildDamage, picture } from './pictures.ts';

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

const PAIR_KINDS: readonly PairKind[] = Object.keys(PAIR_SHARES) as PairKind[];

/** A picture under a caption, with what it shows. */
export interface DigitSide {
  /** [32, 32, 3] in [0, 1] */
  picture: Float32Array;
  shown: Label;
  caption: string;
}

/** One preference: everyone would choose `better`. */
export interface DigitPair {
  kind: PairKind;
  better: DigitSide;
  worse: DigitSide;
}

/**
 * One pair, drawn from `key` alone. Caption kinds show the same picture under a caption with another digit or colour;
 * image kinds show another digit or colour elsewhere under the same caption; `quality` shows the same content elsewhere,
 * blurred and noisy. Every picture has mild damage.
 */
export function digitPair(key: Key, split: Split = 'train'): DigitPair {
  const kind = chooseKind(key.stream('kind').uniform([1]).data[0]!);
  const label = key.stream('label').choice(labels());
  const sharp = picture(label, split, mildDamage(key.stream('better')), key.stream('better'));
  const other = changed(label, kind, key.stream('other'));
  const better = { picture: sharp, shown: label, caption: caption(label) };
  if (kind === 'caption digit' || kind === 'caption colour') {
    return { kind, better, worse: { ...better, caption: caption(other) } };
  }
  const worseKey = key.stream('worse');
  const damage = kind === 'quality' ? heavyDamage(worseKey) : mildDamage(worseKey);
  const worse = { picture: picture(other, split, damage, worseKey), shown: other, caption: better.caption };
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

function changed(label: Label, kind: PairKind, key: Key): Label {
  if (kind.endsWith('digit')) {
    return { ...label, digit: (label.digit + key.integer(1, NUMBERS.length)) % NUMBERS.length };
  }
  if (!kind.endsWith('colour')) return label;
  return { ...label, colour: key.choice(COLOUR_NAMES.filter((name) => name !== label.colour)) };
}

function heavyDamage(key: Key): Damage {
  const { blur, noise } = mildDamage(key);
  const extra = (name: string, low: number, high: number): number => {
    return key.stream(`extra ${name}`).uniform([1], low, high).data[0]!;
  };
  return { blur: blur + extra('blur', 0.4, 1.2), noise: noise + extra('noise', 0.05, 0.2) };
}

/** What preference judges learn on the digits. */
export function digitTask(world: WorldIdentity): PreferenceTask {
  return {
    world,
    words: WORDS,
    size: SIZE,
    attributes: { digit: NUMBERS.length, colour: COLOUR_NAMES.length },
    picture: (key, split) => {
      const { label, ...drawn } = drawnPicture(key, { split });
      return { ...drawn, shown: classes(label) };
    },
    pair: (key, split) => {
      const { kind, better, worse } = digitPair(key, split);
      const side = ({ shown, ...rest }: DigitSide) => ({ ...rest, shown: classes(shown) });
      return { kind, better: side(better), worse: side(worse) };
    },
  };
}

function classes({ digit, colour }: Label): ShownPicture['shown'] {
  return { digit, colour: COLOUR_NAMES.indexOf(colour) };
}
