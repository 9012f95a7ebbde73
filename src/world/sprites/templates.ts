/** The pictures of things as templates: how much a place of a frame looks like one. */
import type { Thing } from './captions.ts';
import { SIZE } from './motion.ts';
import { SPREAD, sprite } from './pictures.ts';

/** A thing as a template for frames of one size: the pixels that it covers, and what every comparison needs of them. */
export interface Template {
  /** Of the red value of each covered pixel, from that of the top left corner. */
  readonly offsets: Int32Array;
  /** Share of each pixel that the thing covers. */
  readonly cover: Float32Array;
  /** Premultiplied colours, [N, 3]. */
  readonly colours: Float32Array;
  /** Sum of the cover over pixels and channels. */
  readonly mass: number;
  readonly mean: number;
  readonly deviation: number;
}

const made = new Map<string, Template>();

/** A thing for frames of 64x64 pixels, moved right and down by quarters of a pixel. */
export function template(thing: Thing, right: number, down: number): Template {
  return kept(`${thing} ${right} ${down}`, () => templateOf(sprite(thing, right, down), SPREAD, SIZE));
}

/** A thing at half the size, for frames of 32x32 pixels. */
export function halfTemplate(thing: Thing): Template {
  return kept(thing, () => {
    const even = new Float32Array((SPREAD + 1) ** 2 * 4);
    const picture = sprite(thing, 0, 0);
    for (let row = 0; row < SPREAD; row++) {
      even.set(picture.subarray(4 * row * SPREAD, 4 * (row + 1) * SPREAD), 4 * row * (SPREAD + 1));
    }
    return templateOf(halved(even, SPREAD + 1, 4), (SPREAD + 1) / 2, SIZE / 2);
  });
}

function kept(name: string, make: () => Template): Template {
  const template = made.get(name) ?? make();
  made.set(name, template);
  return template;
}

/** Half a picture [side, side, channels], each pixel the mean of four. */
export function halved(picture: Float32Array, side: number, channels: number): Float32Array {
  const half = side / 2;
  const out = new Float32Array(half * half * channels);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const [from, to] = [channels * (y * side + x), channels * ((y >> 1) * half + (x >> 1))];
      for (let c = 0; c < channels; c++) out[to + c]! += picture[from + c]! / 4;
    }
  }
  return out;
}

function templateOf(picture: Float32Array, side: number, frameSide: number): Template {
  const covered = Array.from({ length: side * side }, (_, i) => i).filter((i) => picture[4 * i + 3]! > 0);
  const offsets = Int32Array.from(covered, (i) => 3 * (Math.floor(i / side) * frameSide + (i % side)));
  const cover = Float32Array.from(covered, (i) => picture[4 * i + 3]!);
  const colours = Float32Array.from(covered.flatMap((i) => [...picture.subarray(4 * i, 4 * i + 3)]));
  const mass = 3 * cover.reduce((sum, value) => sum + value, 0);
  const mean = colours.reduce((sum, value) => sum + value, 0) / mass;
  const square = colours.reduce((sum, value, i) => sum + value ** 2 / cover[Math.floor(i / 3)]!, 0) / mass;
  return { offsets, cover, colours, mass, mean, deviation: Math.sqrt(square - mean ** 2) };
}

/** Below this variance a place is flat and looks like nothing. */
const FLAT = 1e-6;

/**
 * Correlation of a template with a frame, its top left corner at value `corner`: weighted by what the thing covers, over
 * pixels and channels together, so that colours count and brightness and contrast of the whole do not. From -1 to 1.
 */
export function likeness(frame: Float32Array, corner: number, template: Template): number {
  const { offsets, cover, colours, mass, mean, deviation } = template;
  let [first, second, product] = [0, 0, 0];
  for (let i = 0; i < offsets.length; i++) {
    const at = corner + offsets[i]!;
    const [red, green, blue] = [frame[at]!, frame[at + 1]!, frame[at + 2]!];
    first += cover[i]! * (red + green + blue);
    second += cover[i]! * (red * red + green * green + blue * blue);
    product += colours[3 * i]! * red + colours[3 * i + 1]! * green + colours[3 * i + 2]! * blue;
  }
  const average = first / mass;
  const variance = second / mass - average ** 2;
  return variance < FLAT ? 0 : (product / mass - mean * average) / (deviation * Math.sqrt(variance));
}
