import type { Provenance } from '../io/index.ts';
import type { NamedLine } from './series.ts';

/** Options of `curve`. */
export interface CurveOptions {
  title?: string;
  xLabel?: string;
  yLabel?: string;
  /** Axes with logarithmic scale. */
  log?: 'x' | 'y' | 'both';
  /**
   * Weight of the past in a running mean, 0 (none) to below 1, for lines of more than 30 points without a band; the raw
   * values stay as faint lines.
   */
  smoothing?: number;
  /** Horizontal reference lines by name, for instance the teacher's score. */
  references?: Readonly<Record<string, number>>;
  width?: number;
  height?: number;
  provenance?: Provenance;
}

/** Lines of at most so many points show each of them. */
export const sparse: number = 30;

/** What the drawing functions work on. */
export interface CurveData {
  lines: NamedLine[];
  /** The values before smoothing, null for a line that was not smoothed. */
  raw: (NamedLine | null)[];
  options: CurveOptions;
}
