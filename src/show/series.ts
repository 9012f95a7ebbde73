/** Lines as figures read them, and what a chart of them is told. */
import type { FigureOptions } from './figure.ts';

/** Points of one line; a band from `low` to `high` is shaded. */
export interface Line {
  x: ArrayLike<number>;
  y: ArrayLike<number>;
  low?: ArrayLike<number>;
  high?: ArrayLike<number>;
}

/**
 * Estimates with their intervals as a line in its band.
 *
 * @example show.curve({ student: show.band([0, 1, 2], intervals) })
 */
export function band(
  x: ArrayLike<number>,
  intervals: readonly { readonly estimate: number; readonly low: number; readonly high: number }[],
): Line {
  const all = (key: 'estimate' | 'low' | 'high'): number[] => intervals.map((interval) => interval[key]);
  return { x, y: all('estimate'), low: all('low'), high: all('high') };
}

/** Lines by name: full ones, or values alone, whose x are 0, 1, 2, ... */
export type Series = Readonly<Record<string, ArrayLike<number> | Line>>;

export interface NamedLine {
  name: string;
  x: number[];
  y: number[];
  low: number[] | null;
  high: number[] | null;
}

/** Lines in one form; lengths must agree. */
export function readSeries(series: Series): NamedLine[] {
  const lines = Object.entries(series).map(([name, values]) => readLine(name, values));
  if (lines.length === 0) throw new RangeError('series: none given; give an object of values by name');
  return lines;
}

function readLine(name: string, values: ArrayLike<number> | Line): NamedLine {
  const given: Line = 'y' in values ? values : { x: Array.from(values, (_, i) => i), y: values };
  const { x, y, low, high } = given;
  if (x.length !== y.length) {
    throw new RangeError(`series "${name}": x has ${x.length} values and y ${y.length}; they must be as many`);
  }
  if ((low && low.length !== y.length) || (high && high.length !== y.length) || !low !== !high) {
    throw new RangeError(`series "${name}": a band needs low and high, with ${y.length} values each as y has`);
  }
  const list = (numbers: ArrayLike<number> | undefined): number[] | null => (numbers ? Array.from(numbers) : null);
  return { name, x: Array.from(x), y: Array.from(y), low: list(low), high: list(high) };
}

/**
 * Running mean with weight `smoothing` on the past, corrected for its start: s_i = smoothing s_{i-1} + (1 - smoothing) y_i,
 * divided by 1 - smoothing^(i+1). Values that are not finite are passed over.
 */
export function smooth(values: readonly number[], smoothing: number): number[] {
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    if (Number.isFinite(value)) {
      sum = smoothing * sum + (1 - smoothing) * value;
      weight = smoothing * weight + (1 - smoothing);
    }
    return weight > 0 ? sum / weight : Number.NaN;
  });
}

export interface CurveOptions extends FigureOptions {
  xLabel?: string;
  yLabel?: string;
  /** Axes with logarithmic scale. */
  log?: 'x' | 'y' | 'both';
  /**
   * Weight of the past in a running mean, below 1, for lines without a band; the raw values stay as faint lines.
   *
   * @defaultValue 0, none
   */
  smoothing?: number;
  /** Horizontal reference lines by name, for instance the teacher's score. */
  references?: Readonly<Record<string, number>>;
  width?: number;
  height?: number;
}

export function isLog({ log }: CurveOptions, axis: 'x' | 'y'): boolean {
  return log === axis || log === 'both';
}

/** Lines of at most so many points show each of them. */
export const sparse: number = 30;

export interface CurveData {
  lines: NamedLine[];
  /** The values before smoothing, null for a line that was not smoothed. */
  raw: (NamedLine | null)[];
  options: CurveOptions;
}
