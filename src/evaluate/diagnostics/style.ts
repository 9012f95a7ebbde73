import { lumaAt } from '../flow/plane.ts';
import type { Picture } from './picture.ts';

/** Mean and deviation over pictures of one number each. */
export interface Spread {
  readonly mean: number;
  readonly std: number;
}

/** How pictures look, in four numbers: brightness, contrast, colourfulness and sharpness. */
export interface Style {
  /** Mean of .299 R + .587 G + .114 B. */
  readonly luminance: Spread;
  /** Deviation of it within a picture. */
  readonly contrast: Spread;
  /** Mean of largest minus smallest channel. */
  readonly saturation: Spread;
  /** Variance of the Laplacian of brightness. */
  readonly sharpness: Spread;
}

/** The style of a set of pictures. */
export function styleOf(pictures: readonly Picture[]): Style {
  const each = pictures.map(lookOf);
  const spread = (pick: (look: Look) => number): Spread => spreadOf(each.map(pick));
  return {
    luminance: spread((look) => look.luminance),
    contrast: spread((look) => look.contrast),
    saturation: spread((look) => look.saturation),
    sharpness: spread((look) => look.sharpness),
  };
}

interface Look {
  luminance: number;
  contrast: number;
  saturation: number;
  sharpness: number;
}

function lookOf({ data, height, width }: Picture): Look {
  const size = height * width;
  const light = Float64Array.from({ length: size }, (_, i) => lumaAt(data, 3 * i));
  const saturation = Float64Array.from({ length: size }, (_, i) => {
    const pixel = data.subarray(3 * i, 3 * i + 3);
    return Math.max(...pixel) - Math.min(...pixel);
  });
  const { mean: luminance, std: contrast } = spreadOf(light);
  const { std } = spreadOf(laplacian(light, height, width));
  return { luminance, contrast, saturation: spreadOf(saturation).mean, sharpness: std ** 2 };
}

/** Four neighbours less four times the pixel, inside the border. */
function laplacian(light: Float64Array, height: number, width: number): Float64Array {
  const inner = Math.max(0, width - 2);
  return Float64Array.from({ length: inner * Math.max(0, height - 2) }, (_, i) => {
    const at = (Math.floor(i / inner) + 1) * width + (i % inner) + 1;
    return light[at - 1]! + light[at + 1]! + light[at - width]! + light[at + width]! - 4 * light[at]!;
  });
}

function spreadOf(values: ArrayLike<number>): Spread {
  let [sum, squares] = [0, 0];
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  const mean = values.length === 0 ? 0 : sum / values.length;
  for (let i = 0; i < values.length; i++) squares += (values[i]! - mean) ** 2;
  return { mean, std: values.length === 0 ? 0 : Math.sqrt(squares / values.length) };
}
