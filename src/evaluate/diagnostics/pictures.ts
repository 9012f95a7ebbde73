/** What single pictures look like in numbers: fine texture, saturation, colours, style. */
import { lumaAt } from '../flow/plane.ts';

/** One picture [H, W, 3] in [0, 1]. */
export interface Picture {
  data: Float32Array;
  height: number;
  width: number;
}

/**
 * Share of the spectral power of brightness, its mean left out, above half the Nyquist frequency (0.25 cycles per
 * pixel in any direction): rises when a reward is pleased by adversarial texture. 0 for a flat picture.
 */
export function highFrequencyShare({ data, height, width }: Picture): number {
  const light = Float64Array.from({ length: height * width }, (_, i) => {
    return (data[3 * i]! + data[3 * i + 1]! + data[3 * i + 2]!) / 3;
  });
  const flat = { re: light, im: new Float64Array(light.length) };
  const rows = fourier(flat, { count: height, length: width, step: 1, next: width });
  const { re, im } = fourier(rows, { count: width, length: height, step: width, next: 1 });
  let [high, all] = [0, 0];
  for (let i = 1; i < re.length; i++) {
    const power = re[i]! ** 2 + im[i]! ** 2;
    all += power;
    if (Math.hypot(frequency(i % width, width), frequency(Math.floor(i / width), height)) > 0.25) high += power;
  }
  return all < 1e-12 * light.length ? 0 : high / all;
}

/** Cycles per pixel of entry k of a transform of n values, folded to 0..0.5. */
function frequency(k: number, n: number): number {
  return Math.min(k, n - k) / n;
}

type Complex = Record<'re' | 'im', Float64Array>;

/** Discrete Fourier transforms of `count` lines of `length` values, `step` apart within a line and `next` between lines. */
function fourier(
  { re, im }: Complex,
  { count, length, step, next }: Record<'count' | 'length' | 'step' | 'next', number>,
): Complex {
  const out = { re: new Float64Array(re.length), im: new Float64Array(re.length) };
  const cos = Float64Array.from({ length }, (_, k) => Math.cos((2 * Math.PI * k) / length));
  const sin = Float64Array.from({ length }, (_, k) => Math.sin((2 * Math.PI * k) / length));
  for (let line = 0; line < count; line++) {
    for (let k = 0; k < length; k++) {
      let [sumRe, sumIm] = [0, 0];
      for (let x = 0; x < length; x++) {
        const [at, turn] = [line * next + x * step, (k * x) % length];
        sumRe += re[at]! * cos[turn]! + im[at]! * sin[turn]!;
        sumIm += im[at]! * cos[turn]! - re[at]! * sin[turn]!;
      }
      out.re[line * next + k * step] = sumRe;
      out.im[line * next + k * step] = sumIm;
    }
  }
  return out;
}

/** Share of values at the bounds of 8-bit colour (<= 1/255 or >= 254/255), where a clamped decoder has no gradient. */
export function saturatedShare({ data }: Picture): number {
  let count = 0;
  for (const value of data) if (value <= 1 / 255 || value >= 254 / 255) count++;
  return count / data.length;
}

/** Mean over pixels of the largest minus the smallest channel: 0 for grey. */
export function meanChroma({ data }: Picture): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 3) {
    sum += Math.max(data[i]!, data[i + 1]!, data[i + 2]!) - Math.min(data[i]!, data[i + 1]!, data[i + 2]!);
  }
  return (3 * sum) / data.length;
}

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

type Look = Readonly<Record<keyof Style, number>>;

/** The style of a set of pictures. */
export function styleOf(pictures: readonly Picture[]): Style {
  const each = pictures.map(lookOf);
  const spread = (name: keyof Style): Spread => spreadOf(each.map((look) => look[name]));
  return {
    luminance: spread('luminance'),
    contrast: spread('contrast'),
    saturation: spread('saturation'),
    sharpness: spread('sharpness'),
  };
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
