/** Single pictures of the digits, clean or damaged: what judges and classifier learn from. */
import type { Key } from '../../nn/index.ts';
import type { Split } from '../world.ts';
import { type Label, labels } from './captions.ts';
import { paint, SIZE } from './clip.ts';
import { EXEMPLAR_SIZE, exemplar, exemplarCount } from './exemplars.ts';

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

/** Which pictures are drawn. */
export interface PictureOptions {
  /** @defaultValue 'train' */
  split?: Split;
  /** Share of pictures with mild damage; the others are as in the clips. @defaultValue 1 */
  damagedShare?: number;
}

/** A picture of a label drawn evenly, all from `key`. */
export function drawnPicture(
  key: Key,
  { split = 'train', damagedShare = 1 }: PictureOptions = {},
): { picture: Float32Array; label: Label } {
  const label = key.stream('label').choice(labels());
  const isDamaged = key.stream('damaged').uniform([1]).data[0]! < damagedShare;
  return { picture: picture(label, split, isDamaged ? mildDamage(key) : NO_DAMAGE, key), label };
}

/** `count` pictures, each from a stream of `key`. */
export function pictures(key: Key, count: number, options: PictureOptions = {}): PictureBatch {
  const length = SIZE * SIZE * 3;
  const data = new Float32Array(count * length);
  const drawn = Array.from({ length: count }, (_, i) => {
    const { picture, label } = drawnPicture(key.stream(i), options);
    data.set(picture, i * length);
    return label;
  });
  return { data, labels: drawn };
}

const NO_DAMAGE: Damage = { blur: 0, noise: 0 };

/** What is done to a picture. */
export interface Damage {
  /** Standard deviation of the Gaussian blur in pixels. */
  blur: number;
  /** Standard deviation of the added noise. */
  noise: number;
}

/** Blurs a picture [size, size, 3], adds normal noise and clamps to [0, 1]. */
export function damaged(picture: Float32Array, size: number, { blur, noise }: Damage, key: Key): Float32Array {
  const soft = blur > 0.05 ? blurred(picture, size, blur) : picture;
  const grain = key.normal([picture.length]).data;
  return Float32Array.from(soft, (value, i) => Math.min(Math.max(value + noise * grain[i]!, 0), 1));
}

/** Separable Gaussian over both axes; beyond the border there is black. */
export function blurred(picture: Float32Array, size: number, sigma: number): Float32Array {
  const taps = gaussian(sigma);
  return alongAxis(alongAxis(picture, size, 3, taps), size, 3 * size, taps);
}

function gaussian(sigma: number): Float64Array {
  const radius = Math.ceil(3 * sigma);
  const taps = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)),
  );
  const sum = taps.reduce((total, value) => total + value, 0);
  return taps.map((value) => value / sum);
}

/** Filters along the axis whose neighbours are `stride` values apart and which has `size` positions. */
function alongAxis(picture: Float32Array, size: number, stride: number, taps: Float64Array): Float32Array {
  const radius = taps.length >> 1;
  const out = new Float32Array(picture.length);
  for (let i = 0; i < picture.length; i++) {
    const position = Math.floor(i / stride) % size;
    const from = Math.max(-radius, -position);
    const to = Math.min(radius, size - 1 - position);
    let sum = 0;
    for (let k = from; k <= to; k++) sum += taps[k + radius]! * picture[i + k * stride]!;
    out[i] = sum;
  }
  return out;
}
