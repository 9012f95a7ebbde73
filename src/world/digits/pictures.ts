import type { Key } from '../../nn/index.ts';
import { type Damage, damaged } from './damage.ts';
import { EXEMPLAR_SIZE, exemplar, exemplarCount, type Split } from './exemplars.ts';
import { labels } from './prompts.ts';
import { paint, SIZE } from './render.ts';
import type { Label } from './vocabulary.ts';

/** One picture [32, 32, 3] in [0, 1] of a label: handwriting and integer place drawn from `key`, then damaged. */
export function picture(label: Label, split: Split, damage: Damage, key: Key): Float32Array {
  const { digit, colour } = label;
  const place = (axis: string): number => key.stream(axis).integer(0, SIZE - EXEMPLAR_SIZE + 1);
  const glyph = exemplar(digit, key.stream('exemplar').integer(0, exemplarCount(digit, split)), split);
  const clean = new Float32Array(SIZE * SIZE * 3);
  paint(clean, glyph, colour, place('x'), place('y'));
  return damaged(clean, SIZE, damage, key.stream('grain'));
}

/** Damage that leaves a picture easy to read: blur up to 0.6 px, noise up to 0.1. */
export function mildDamage(key: Key): Damage {
  const upTo = (name: string, high: number): number => key.stream(name).uniform([1], 0, high).data[0]!;
  return { blur: upTo('blur', 0.6), noise: upTo('noise', 0.1) };
}

/** Single pictures with their labels. */
export interface PictureBatch {
  /** [B, 32, 32, 3] in [0, 1] */
  data: Float32Array;
  labels: Label[];
}

/** Dials of `pictures`. */
export interface PictureOptions {
  split?: Split;
  /** Share of pictures with mild damage; the others are as in the clips. Default 1. */
  damagedShare?: number;
}

/** `count` pictures of labels drawn evenly, all from `key`. */
export function pictures(key: Key, count: number, options: PictureOptions = {}): PictureBatch {
  const { split = 'train', damagedShare = 1 } = options;
  const length = SIZE * SIZE * 3;
  const data = new Float32Array(count * length);
  const drawn = Array.from({ length: count }, (_, i) => {
    const own = key.stream(i);
    const label = own.stream('label').choice(labels());
    const isDamaged = own.stream('damaged').uniform([1]).data[0]! < damagedShare;
    data.set(picture(label, split, isDamaged ? mildDamage(own) : NO_DAMAGE, own), i * length);
    return label;
  });
  return { data, labels: drawn };
}

const NO_DAMAGE: Damage = { blur: 0, noise: 0 };
