/** The median of each pixel's 5x5 neighbourhood, by sorting columns once and merging what neighbours share. */
import type { Plane } from './plane.ts';

const SIDE = 5;
const RADIUS = 2;
/** The median of 25 values is the 13th smallest. */
const MIDDLE = 12;
/** Sorted lists of a column, of two, and the smallest of four that matter; the first two end with infinity. */
const [ONE, TWO, FOUR] = [SIDE + 1, 2 * SIDE + 1, MIDDLE + 1];

/** Median of each pixel's 5x5 neighbourhood, with the border repeated. */
export function median5({ data, height, width }: Plane): Plane {
  const out = new Float32Array(data.length);
  const columns = new Float64Array((width + SIDE) * ONE).fill(Number.POSITIVE_INFINITY);
  const [pairs, four] = [new Float64Array(2 * TWO).fill(Number.POSITIVE_INFINITY), new Float64Array(FOUR)];
  for (let y = 0; y < height; y++) {
    sortColumns(columns, data, height, width, y);
    merge(columns, ONE, columns, 2 * ONE, pairs, 0, 2 * SIDE);
    for (let x = 0, pair = 0; x < width; x += 2, pair = TWO - pair) {
      // pixels x and x + 1 share the columns x + 1 to x + 4
      merge(columns, (x + 3) * ONE, columns, (x + 4) * ONE, pairs, TWO - pair, 2 * SIDE);
      merge(pairs, pair, pairs, TWO - pair, four, 0, FOUR);
      out[y * width + x] = middle(four, columns, x * ONE);
      if (x + 1 < width) out[y * width + x + 1] = middle(four, columns, (x + 5) * ONE);
    }
  }
  return { data: out, height, width };
}

/** The five values around row `y` of every column in order; two columns are repeated on the left, three on the right. */
function sortColumns(columns: Float64Array, data: Float32Array, height: number, width: number, y: number): void {
  for (let column = 0; column < width + SIDE; column++) {
    const x = Math.min(Math.max(column - RADIUS, 0), width - 1);
    const start = column * ONE;
    for (let row = y - RADIUS; row <= y + RADIUS; row++) {
      const value = data[Math.min(Math.max(row, 0), height - 1) * width + x]!;
      let at = start + row - y + RADIUS;
      for (; at > start && columns[at - 1]! > value; at--) columns[at] = columns[at - 1]!;
      columns[at] = value;
    }
  }
}

/** The first `count` values of two sorted lists. */
function merge(
  a: Float64Array,
  fromA: number,
  b: Float64Array,
  fromB: number,
  out: Float64Array,
  to: number,
  count: number,
): void {
  let i = fromA;
  let j = fromB;
  let left = a[i]!;
  let right = b[j]!;
  for (let at = to; at < to + count; at++) {
    if (left <= right) {
      out[at] = left;
      left = a[++i]!;
    } else {
      out[at] = right;
      right = b[++j]!;
    }
  }
}

/** The 13th smallest of four sorted columns and a fifth. */
function middle(four: Float64Array, columns: Float64Array, column: number): number {
  let taken = 0;
  while (taken < SIDE && columns[column + taken]! < four[MIDDLE - taken]!) taken++;
  const last = taken === 0 ? Number.NEGATIVE_INFINITY : columns[column + taken - 1]!;
  return Math.max(four[MIDDLE - taken]!, last);
}
