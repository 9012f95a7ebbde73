import type { Provenance } from '../io/image-text.ts';
import { drawCurve } from './curve-svg.ts';
import { type Figure, figure } from './figure.ts';
import { type NamedLine, readSeries, type Series, smooth } from './series.ts';
import { ink, sans, seriesColour, svgToPng } from './theme.ts';

/** Options of `curve`. */
export interface CurveOptions {
  title?: string;
  xLabel?: string;
  yLabel?: string;
  /** Axes with logarithmic scale. */
  log?: 'x' | 'y' | 'both';
  /** Weight of the past in a running mean, 0 (none) to below 1; the raw values stay as faint lines. */
  smoothing?: number;
  /** Horizontal reference lines by name, for instance the teacher's score. */
  references?: Readonly<Record<string, number>>;
  width?: number;
  height?: number;
  provenance?: Provenance;
}

/** What the drawing functions work on. */
export interface CurveData {
  lines: NamedLine[];
  /** The values before smoothing, if there was any. */
  raw: NamedLine[];
  options: CurveOptions;
}

/**
 * Lines over a common axis: loss and reward over updates, scores over frames. Interactive with Plotly in notebooks that
 * know it, a drawn picture everywhere.
 *
 * @example curve({ reward: rewards, 'held-out aesthetic': { x: steps, y: scores } }, { xLabel: 'update', smoothing: 0.9 })
 */
export function curve(series: Series, options: CurveOptions = {}): Figure {
  const { smoothing = 0, provenance = {}, title = 'Curves' } = options;
  if (!(smoothing >= 0 && smoothing < 1))
    throw new RangeError(`smoothing: wanted 0 <= smoothing < 1, received ${smoothing}`);
  const given = readSeries(series);
  const lines = smoothing > 0 ? given.map((line) => ({ ...line, y: smooth(line.y, smoothing) })) : given;
  const data: CurveData = { lines, raw: smoothing > 0 ? given : [], options };
  const drawn = (): Promise<string> => drawCurve(data);
  return figure({
    text: `${title}: ${lines.map(summary).join('; ')}`,
    png: async () => svgToPng(await drawn()),
    html: drawn,
    extra: () => ({ 'application/vnd.plotly.v1+json': plotly(data) }),
    provenance,
  });
}

function summary({ name, y }: NamedLine): string {
  const number = (value: number | undefined): string =>
    value === undefined ? 'none' : String(Number(value.toPrecision(4)));
  return `${name} from ${number(y[0])} to ${number(y.at(-1))} over ${y.length} points`;
}

/** Plotly's description of the chart: data, layout, config. */
function plotly({ lines, raw, options }: CurveData): object {
  const { title, xLabel, yLabel, log, width = 640, height = 360, references = {} } = options;
  const axis = (label: string | undefined, isLog: boolean): object => ({
    title: { text: label ?? '' },
    type: isLog ? 'log' : 'linear',
    gridcolor: ink.faint,
    zeroline: false,
  });
  const shapes = Object.values(references).map((y) => ({
    ...{ type: 'line', xref: 'paper', x0: 0, x1: 1, y0: y, y1: y },
    line: { color: ink.muted, dash: 'dash', width: 1 },
  }));
  const annotations = Object.entries(references).map(([text, y]) => ({
    ...{ text, xref: 'paper', x: 1, xanchor: 'right', yanchor: 'bottom', showarrow: false },
    y: log === 'y' || log === 'both' ? Math.log10(y) : y,
  }));
  const layout = {
    ...{
      title: { text: title ?? '' },
      width,
      height,
      shapes,
      annotations,
      plot_bgcolor: '#ffffff',
      paper_bgcolor: '#ffffff',
    },
    xaxis: axis(xLabel, log === 'x' || log === 'both'),
    yaxis: axis(yLabel, log === 'y' || log === 'both'),
    font: { family: sans, color: ink.text },
    margin: { l: 60, r: 20, t: title ? 50 : 20, b: 50 },
    legend: { orientation: 'h', y: -0.2 },
  };
  return {
    data: [...raw.map(rawTrace), ...lines.flatMap(traces)],
    layout,
    config: { responsive: true, displaylogo: false },
  };
}

function rawTrace({ x, y }: NamedLine, index: number): object {
  const line = { color: seriesColour(index), width: 1 };
  return { type: 'scatter', mode: 'lines', x, y: finite(y), line, opacity: 0.25, showlegend: false, hoverinfo: 'skip' };
}

function traces({ name, x, y, low, high }: NamedLine, index: number): object[] {
  const color = seriesColour(index);
  const edge = { type: 'scatter', mode: 'lines', x, line: { width: 0, color }, showlegend: false, hoverinfo: 'skip' };
  const band =
    low && high
      ? [
          { ...edge, y: finite(low) },
          { ...edge, y: finite(high), fill: 'tonexty', fillcolor: `${color}26` },
        ]
      : [];
  return [
    ...band,
    {
      type: 'scatter',
      mode: y.length <= 30 ? 'lines+markers' : 'lines',
      name,
      x,
      y: finite(y),
      line: { color, width: 2 },
    },
  ];
}

/** JSON knows no NaN: gaps are null. */
function finite(values: readonly number[]): (number | null)[] {
  return values.map((value) => (Number.isFinite(value) ? value : null));
}
