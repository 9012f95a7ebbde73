import type { Clip } from '../../io/index.ts';

/** One channel of an image, row-major. */
export interface Plane {
  /** [H, W] */
  data: Float32Array;
  height: number;
  width: number;
}

/** Luma Y = .299 R + .587 G + .114 B of one frame of a clip, [H, W] in [0, 1]. */
export function luma({ data, frames, height, width }: Clip, frame: number): Plane {
  if (!Number.isInteger(frame) || frame < 0 || frame >= frames) {
    throw new RangeError(`frame is ${frame}; the clip has frames 0 to ${frames - 1}`);
  }
  const size = height * width;
  const out = new Float32Array(size);
  for (let i = 0, at = 3 * frame * size; i < size; i++, at += 3) out[i] = lumaAt(data, at);
  return { data: out, height, width };
}

/** Luma of the pixel whose red is value `at`. */
export function lumaAt(data: Float32Array, at: number): number {
  return 0.299 * data[at]! + 0.587 * data[at + 1]! + 0.114 * data[at + 2]!;
}

/** One colour channel of one frame of a clip: 0 red, 1 green, 2 blue. */
export function channel({ data, height, width }: Omit<Clip, 'frames' | 'fps'>, frame: number, c: number): Plane {
  const size = height * width;
  const out = new Float32Array(size);
  for (let i = 0, at = 3 * frame * size + c; i < size; i++, at += 3) out[i] = data[at]!;
  return { data: out, height, width };
}

/** Normalised Gaussian taps from -radius to radius. */
export function gaussianTaps(sigma: number, radius: number): Float64Array {
  const taps = Float64Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)),
  );
  const sum = taps.reduce((total, value) => total + value, 0);
  return taps.map((value) => value / sum);
}

/** Filters both axes with the same odd-length taps; the border is repeated. */
export function blur({ data, height, width }: Plane, taps: ArrayLike<number>): Plane {
  const rows = filterRows(data, height, width, taps);
  const columns = filterColumns(rows, height, width, taps);
  return { data: columns, height, width };
}

function filterRows(data: Float32Array, height: number, width: number, taps: ArrayLike<number>): Float32Array {
  const radius = taps.length >> 1;
  const out = new Float32Array(data.length);
  const line = new Float64Array(width + 2 * radius);
  for (let y = 0; y < height; y++) {
    for (let x = -radius; x < width + radius; x++) {
      line[x + radius] = data[y * width + Math.min(Math.max(x, 0), width - 1)]!;
    }
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let k = 0; k < taps.length; k++) sum += taps[k]! * line[x + k]!;
      out[y * width + x] = sum;
    }
  }
  return out;
}

function filterColumns(data: Float32Array, height: number, width: number, taps: ArrayLike<number>): Float32Array {
  const radius = taps.length >> 1;
  const out = new Float32Array(data.length);
  const sums = new Float64Array(width);
  for (let y = 0; y < height; y++) {
    sums.fill(0);
    for (let k = 0; k < taps.length; k++) {
      const row = Math.min(Math.max(y + k - radius, 0), height - 1) * width;
      for (let x = 0; x < width; x++) sums[x]! += taps[k]! * data[row + x]!;
    }
    out.set(sums, y * width);
  }
  return out;
}

/** Bilinear value at (x, y) in pixel coordinates; outside the plane the border is repeated. */
export function sample({ data, height, width }: Plane, x: number, y: number): number {
  const cx = Math.min(Math.max(x, 0), width - 1);
  const cy = Math.min(Math.max(y, 0), height - 1);
  const x0 = Math.floor(cx);
  const y0 = Math.floor(cy);
  const x1 = Math.min(x0 + 1, width - 1);
  const y1 = Math.min(y0 + 1, height - 1);
  const fx = cx - x0;
  const fy = cy - y0;
  const top = data[y0 * width + x0]! * (1 - fx) + data[y0 * width + x1]! * fx;
  const bottom = data[y1 * width + x0]! * (1 - fx) + data[y1 * width + x1]! * fx;
  return top * (1 - fy) + bottom * fy;
}

/** Half-size plane: 5-tap binomial blur, then the even pixels. */
export function halve(plane: Plane): Plane {
  const soft = blur(plane, BINOMIAL);
  const [height, width] = [Math.ceil(plane.height / 2), Math.ceil(plane.width / 2)];
  const data = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data[y * width + x] = soft.data[2 * y * plane.width + 2 * x]!;
  }
  return { data, height, width };
}

const BINOMIAL = [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16];

/** [H, W] each. */
export interface Gradients {
  readonly dx: Float32Array;
  readonly dy: Float32Array;
}

/** Central differences [d/dx, d/dy] with the border repeated. */
export function gradients({ data, height, width }: Plane): Gradients {
  const dx = new Float32Array(data.length);
  const dy = new Float32Array(data.length);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    const [above, below] = [Math.max(y - 1, 0) * width, Math.min(y + 1, height - 1) * width];
    for (let x = 0; x < width; x++) {
      dx[row + x] = (data[row + Math.min(x + 1, width - 1)]! - data[row + Math.max(x - 1, 0)]!) / 2;
      dy[row + x] = (data[below + x]! - data[above + x]!) / 2;
    }
  }
  return { dx, dy };
}
