/** Sums over a window of five planes at once: what Lucas-Kanade spends most of its time with. */

/** Planes that stand interleaved, [H, W, 5]. */
export const PLANES = 5;

/** Memory for sums over planes of one size, filled anew by each call. */
export interface WindowRoom {
  readonly height: number;
  readonly width: number;
  readonly rows: Float32Array;
  readonly sums: Float32Array;
}

export function windowRoom({ height, width }: Pick<WindowRoom, 'height' | 'width'>): WindowRoom {
  const [rows, sums] = [0, 1].map(() => new Float32Array(height * width * PLANES)) as [Float32Array, Float32Array];
  return { height, width, rows, sums };
}

/**
 * Filters both axes of five interleaved planes [H, W, 5] with the same odd-length taps, the border repeated: plane by
 * plane what `blur` gives, bit for bit. The result is the room's own until the next call.
 */
export function windowSums(planes: Float32Array, room: WindowRoom, taps: Float64Array): Float32Array {
  alongRows(planes, room, taps);
  alongColumns(room, taps);
  return room.sums;
}

function alongRows(planes: Float32Array, { height, width, rows }: WindowRoom, taps: Float64Array): void {
  const radius = taps.length >> 1;
  const line = new Float64Array((width + 2 * radius) * PLANES);
  for (let y = 0; y < height; y++) {
    const row = y * width * PLANES;
    for (let x = -radius, to = 0; x < width + radius; x++) {
      const from = row + Math.min(Math.max(x, 0), width - 1) * PLANES;
      for (let c = 0; c < PLANES; c++) line[to++] = planes[from + c]!;
    }
    for (let x = 0; x < width; x++) addTaps(line, x * PLANES, taps, rows, row + x * PLANES);
  }
}

/** Column by column, each as a line of its own. */
function alongColumns({ height, width, rows, sums }: WindowRoom, taps: Float64Array): void {
  const radius = taps.length >> 1;
  const line = new Float64Array((height + 2 * radius) * PLANES);
  for (let x = 0; x < width; x++) {
    for (let y = -radius, to = 0; y < height + radius; y++) {
      const from = (Math.min(Math.max(y, 0), height - 1) * width + x) * PLANES;
      for (let c = 0; c < PLANES; c++) line[to++] = rows[from + c]!;
    }
    for (let y = 0; y < height; y++) addTaps(line, y * PLANES, taps, sums, (y * width + x) * PLANES);
  }
}

/** Five sums over taps, side by side in registers. */
function addTaps(line: Float64Array, start: number, taps: Float64Array, out: Float32Array, to: number): void {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  let e = 0;
  for (let k = 0, at = start; k < taps.length; k++, at += PLANES) {
    const tap = taps[k]!;
    a += tap * line[at]!;
    b += tap * line[at + 1]!;
    c += tap * line[at + 2]!;
    d += tap * line[at + 3]!;
    e += tap * line[at + 4]!;
  }
  out[to] = a;
  out[to + 1] = b;
  out[to + 2] = c;
  out[to + 3] = d;
  out[to + 4] = e;
}
