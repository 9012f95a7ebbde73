import type { Key } from '../../nn/index.ts';

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
