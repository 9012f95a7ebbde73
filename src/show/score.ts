import type { Provenance } from '../io/index.ts';
import { type Figure, figure } from './figure.ts';
import { fitText, ink, seriesColour, svgDocument, svgText, svgToPng, textWidth } from './theme.ts';

/** A score with what it is compared to. */
export interface ScoreValue {
  value: number;
  /** Confidence interval. */
  low?: number;
  high?: number;
  /** Value before, or of the baseline, drawn as a tick. */
  reference?: number;
}

/** Options of `score`. */
export interface ScoreOptions {
  title?: string;
  /** Ends of the scale; default: from 0 or the least to the greatest shown. */
  range?: readonly [number, number];
  /** What the tick of a reference stands for. */
  reference?: string;
  digits?: number;
  provenance?: Provenance;
}

interface Bar extends ScoreValue {
  name: string;
}

/**
 * Scores as bars on one scale, with confidence intervals and reference ticks: a reward and its independent checks, or
 * the dimensions of an evaluation.
 *
 * @example score({ reward: { value: 0.58, low: 0.52, high: 0.63, reference: 0.31 }, aesthetic: 0.44 })
 */
export function score(scores: Readonly<Record<string, number | ScoreValue>>, options: ScoreOptions = {}): Figure {
  const bars = Object.entries(scores).map(([name, given]) => ({
    name,
    ...(typeof given === 'number' ? { value: given } : given),
  }));
  if (bars.length === 0) throw new RangeError('scores: none given; give an object of numbers by name');
  const { title, digits = 3, provenance = {} } = options;
  const listed = bars.map(({ name, value, low, high }) => {
    const interval =
      low !== undefined && high !== undefined ? ` [${low.toFixed(digits)}, ${high.toFixed(digits)}]` : '';
    return `${name} ${value.toFixed(digits)}${interval}`;
  });
  const drawn = (): string => drawScores(bars, options);
  return figure({
    text: [title, listed.join(', ')].filter(Boolean).join(': '),
    png: async () => svgToPng(drawn()),
    html: async () => drawn(),
    provenance,
  });
}

const [margin, rowHeight, barWidth, barHeight, size] = [12, 26, 280, 12, 12];

function drawScores(bars: readonly Bar[], { title, range, reference, digits = 3 }: ScoreOptions): string {
  const [least, greatest] = range ?? rangeOf(bars);
  const names = bars.map(({ name }) => fitText(name, 240, size));
  const left = margin + Math.max(...names.map((name) => textWidth(name, size))) + 10;
  const top = margin + (title ? 28 : 0);
  const place = (value: number): number =>
    left + barWidth * Math.min(1, Math.max(0, (value - least) / (greatest - least)));
  const rows = bars.map((bar, i) => {
    const y = top + i * rowHeight + rowHeight / 2;
    const label = svgText(names[i]!, left - 10, y + 4, { size, anchor: 'end' });
    const value = svgText(bar.value.toFixed(digits).replace('-', '−'), left + barWidth + 12, y + 4, {
      size,
      weight: 'bold',
    });
    return label + drawBar(bar, y, place, least) + value;
  });
  const heading = title ? svgText(title, margin, margin + 13, { size: 15, weight: 'bold' }) : '';
  const hasTicks = bars.some((bar) => bar.reference !== undefined);
  const note = hasTicks
    ? svgText(`tick: ${reference ?? 'reference'}`, left, top + bars.length * rowHeight + 12, {
        size: 10,
        fill: ink.muted,
      })
    : '';
  const width = Math.max(left + barWidth + 70, title ? textWidth(title, 15, 'bold') + 2 * margin : 0);
  const height = top + bars.length * rowHeight + (hasTicks ? 18 : 0) + margin / 2;
  return svgDocument(Math.ceil(width), Math.ceil(height), heading + rows.join('') + note);
}

function drawBar(
  { value, low, high, reference }: Bar,
  y: number,
  place: (value: number) => number,
  least: number,
): string {
  const zero = place(Math.max(0, least));
  const [start, end] = [Math.min(zero, place(value)), Math.max(zero, place(value))];
  const track = `<rect x="${place(least)}" y="${y - barHeight / 2}" width="${barWidth}" height="${barHeight}" rx="3" fill="${ink.surface}"/>`;
  const bar = `<rect x="${start}" y="${y - barHeight / 2}" width="${Math.max(1, end - start)}" height="${barHeight}" rx="3" fill="${seriesColour(0)}" fill-opacity="0.85"/>`;
  const line = (x1: number, x2: number, y1: number, y2: number, stroke: string, width: number): string =>
    `<line x1="${x1}" x2="${x2}" y1="${y1}" y2="${y2}" stroke="${stroke}" stroke-width="${width}"/>`;
  const interval =
    low !== undefined && high !== undefined
      ? line(place(low), place(high), y, y, ink.text, 1.5) +
        [low, high].map((end) => line(place(end), place(end), y - 4, y + 4, ink.text, 1.5)).join('')
      : '';
  const tick =
    reference === undefined ? '' : line(place(reference), place(reference), y - 9, y + 9, seriesColour(1), 2.5);
  return track + bar + interval + tick;
}

/** From 0, or the least where that is below, to the greatest; never empty. */
function rangeOf(bars: readonly Bar[]): [number, number] {
  const values = bars.flatMap(({ value, low = value, high = value, reference = value }) => [
    value,
    low,
    high,
    reference,
  ]);
  const [least, greatest] = [Math.min(0, ...values), Math.max(0, ...values)];
  return greatest > least ? [least, greatest] : [least, least + 1];
}
