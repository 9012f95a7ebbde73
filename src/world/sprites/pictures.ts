/** The pictures of things and places, read once from data/sprites. */
import { join } from 'node:path';
import { type PngPixels, packageRoot, readPng } from '../../io/internal.ts';
import type { Place, Thing } from './captions.ts';
import { SIZE, SPRITE } from './motion.ts';

/** Places of a thing between two pixels, along each axis; the files hold so many values a pixel. */
export const PHASES = 4;
/** Side of a thing's picture at any phase, in pixels. */
export const SPREAD: number = SPRITE + 1;

/**
 * A thing as a camera of 64 x 64 pixels sees it, moved right and down by quarters of a pixel: premultiplied RGBA
 * [27, 27, 4] in [0, 1]. Every phase is the mean over pixels of one finer picture, so that sharpness does not depend on
 * the place. The array is shared: do not write to it.
 */
export function sprite(thing: Thing, right: number, down: number): Float32Array {
  return kept(`${thing} ${right} ${down}`, () => {
    const { data, height } = read('things', thing, SPRITE * PHASES, 4);
    const out = new Float32Array(SPREAD * SPREAD * 4);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < height; x++) {
        const from = 4 * (y * height + x);
        const to = 4 * (Math.floor((y + down) / PHASES) * SPREAD + Math.floor((x + right) / PHASES));
        const cover = data[from + 3]! / 255 / PHASES ** 2;
        for (let c = 0; c < 3; c++) out[to + c]! += (data[from + c]! / 255) * cover;
        out[to + 3]! += cover;
      }
    }
    return out;
  });
}

/** A place without a thing, [64, 64, 3] in [0, 1]. The array is shared: do not write to it. */
export function ground(place: Place): Float32Array {
  return kept(place, () => Float32Array.from(read('places', place, SIZE, 3).data, (value) => value / 255));
}

const pictures = new Map<string, Float32Array>();

function kept(name: string, make: () => Float32Array): Float32Array {
  const picture = pictures.get(name) ?? make();
  pictures.set(name, picture);
  return picture;
}

function read(kind: 'things' | 'places', name: string, side: number, channels: 3 | 4): PngPixels {
  const path = join(packageRoot(), 'data', 'sprites', kind, `${name}.png`);
  const png = readPng(path);
  if (png.height === side && png.width === side && png.channels === channels) return png;
  throw new Error(
    `${path}: wanted ${side} x ${side} pixels of ${channels} channels, received ${png.width} x ${png.height} of ` +
      `${png.channels}: install the package anew`,
  );
}
