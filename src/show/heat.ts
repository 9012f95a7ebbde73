import type { RgbImage } from '../io/index.ts';

/** Signed values over the pixels of a picture. */
export interface HeatMap {
  /** [H, W] */
  data: Float32Array;
  height: number;
  width: number;
}

/** Ends of the scale: what raises and what lowers, apart for colour-blind eyes too. */
const [above, below] = [
  [178, 24, 43],
  [33, 102, 172],
] as const;
/** How dark the picture shines through where there is no heat. */
const shade = 0.3;

/** Length of full colour: the 99th percentile of |value|, so that single pixels do not bleach the rest. */
export function heatMaximum({ data }: HeatMap): number {
  const sorted = data.map(Math.abs).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))] ?? 0;
}

/** Red above zero, blue below, on a faint grey print of the picture [H, W, 3] that the values belong to. */
export function heatImage(map: HeatMap, picture: Float32Array, maximum: number = heatMaximum(map)): RgbImage {
  const { data: values, height, width } = map;
  const data = new Uint8Array(3 * height * width);
  for (const [i, value] of values.entries()) {
    const strength = maximum > 0 ? Math.min(Math.abs(value) / maximum, 1) : 0;
    const light = (picture[3 * i]! + picture[3 * i + 1]! + picture[3 * i + 2]!) / 3;
    const paper = 255 * (1 - shade * Math.min(Math.max(light, 0), 1));
    const colour = value > 0 ? above : below;
    for (let c = 0; c < 3; c++) data[3 * i + c] = Math.round(paper + strength * (colour[c]! - paper));
  }
  return { data, height, width };
}
