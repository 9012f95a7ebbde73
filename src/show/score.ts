import { type Figure, type FigureOptions, figure } from './figure.ts';
import { fitText, ink, seriesColour, svgDocument, svgHeading, svgText, textWidth } from './theme.ts';

/** A score with what it is compared to. */
export interface ScoreValue {
  value: number;
  /** Confidence interval. */
  low?: number;
  high?: number;
  /** Value before, or of the baseline, drawn as a tick. */
  reference?: number;
}

export interface ScoreOptions extends FigureOptions {
  /** Ends of the scale; default: from 0 or the least to the greatest shown. */
  range?: readonly [number, number];
  /** What the tick of a reference stands for. */
  reference?: string;
  digits?: number;
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
  const { digits = 3 } = options;
  const listed = bars.map(({ name, value, low, high }) => {
    const ends = low !== undefined && high !== undefined ? [low, high].map((end) => end.toFixed(digits)) : null;
    return `${name} ${value.toFixed(digits)}${ends ? ` [${ends.join(', ')}]` : ''}`;
  });
  return figure(options, { text: listed.join(', '), svg: () => drawScores(bars, options) });
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
    const number = bar.value.toFixed(digits).replace('-', '−');
    const value = svgText(number, left + barWidth + 12, y + 4, { size, weight: 'bold' });
    return label + drawBar(bar, y, place, least) + value;
  });
  const hasTicks = bars.some((bar) => bar.reference !== undefined);
  const below = top + bars.length * rowHeight;
  const tick = `tick: ${reference ?? 'reference'}`;
  const note = hasTicks ? svgText(tick, left, below + 12, { size: 10, fill: ink.muted }) : '';
  const width = Math.max(left + barWidth + 70, title ? textWidth(title, 15, 'bold') + 2 * margin : 0);
  const height = below + (hasTicks ? 18 : 0) + margin / 2;
  return svgDocument(Math.ceil(width), Math.ceil(height), svgHeading(title, margin) + rows.join('') + note);
}

function drawBar(bar: Bar, y: number, place: (value: number) => number, least: number): string {
  const { value, low, high, reference } = bar;
  const zero = place(Math.max(0, least));
  const [start, end] = [Math.min(zero, place(value)), Math.max(zero, place(value))];
  const box = (x: number, width: number, paint: string): string =>
    `<rect x="${x}" y="${y - barHeight / 2}" width="${width}" height="${barHeight}" rx="3" ${paint}/>`;
  const track = box(place(least), barWidth, `fill="${ink.surface}"`);
  const body = box(start, Math.max(1, end - start), `fill="${seriesColour(0)}" fill-opacity="0.85"`);
  const line = (x1: number, x2: number, y1: number, y2: number, stroke: string, width: number): string =>
    `<line x1="${x1}" x2="${x2}" y1="${y1}" y2="${y2}" stroke="${stroke}" stroke-width="${width}"/>`;
  const interval =
    low !== undefined && high !== undefined
      ? line(place(low), place(high), y, y, ink.text, 1.5) +
        [low, high].map((end) => line(place(end), place(end), y - 4, y + 4, ink.text, 1.5)).join('')
      : '';
  const tick =
    reference === undefined ? '' : line(place(reference), place(reference), y - 9, y + 9, seriesColour(1), 2.5);
  return track + body + interval + tick;
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
