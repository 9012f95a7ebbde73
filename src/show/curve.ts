import { drawCurve } from './curve-svg.ts';
import { type Figure, figure } from './figure.ts';
import {
  type CurveData,
  type CurveOptions,
  type NamedLine,
  readSeries,
  type Series,
  smooth,
  sparse,
} from './series.ts';
import { ink, sans, seriesColour, svgToPng } from './theme.ts';

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
  const isSmoothed = ({ low }: NamedLine): boolean => smoothing > 0 && low === null;
  if (smoothing > 0 && !given.some(isSmoothed)) {
    throw new RangeError('smoothing: wanted a line without a band, received bands alone; leave it out');
  }
  const lines = given.map((line) => (isSmoothed(line) ? { ...line, y: smooth(line.y, smoothing) } : line));
  const data: CurveData = { lines, raw: given.map((line) => (isSmoothed(line) ? line : null)), options };
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

const referenceLine = {
  type: 'line',
  xref: 'paper',
  x0: 0,
  x1: 1,
  line: { color: ink.muted, dash: 'dash', width: 1 },
};
const referenceLabel = { xref: 'paper', x: 1, xanchor: 'right', yanchor: 'bottom', showarrow: false };

/** Plotly's description of the chart: data, layout, config. */
export function plotly({ lines, raw, options }: CurveData): object {
  const { title, xLabel, yLabel, log, width = 640, height = 360, references = {} } = options;
  const isLog = (name: 'x' | 'y'): boolean => log === name || log === 'both';
  const shapes = Object.values(references).map((y) => ({ ...referenceLine, y0: y, y1: y }));
  const annotations = Object.entries(references).map(([text, y]) => ({
    ...referenceLabel,
    text,
    y: isLog('y') ? Math.log10(y) : y,
  }));
  const layout = {
    title: { text: title ?? '', x: 0.02, xanchor: 'left' },
    width,
    height,
    shapes,
    annotations,
    xaxis: axis(xLabel, isLog('x')),
    yaxis: axis(yLabel, isLog('y')),
    font: { family: sans, color: ink.text },
    margin: { l: 60, r: 20, t: (title ? 44 : 10) + (lines.length > 1 ? 30 : 10), b: 50 },
    legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', traceorder: 'normal' },
    plot_bgcolor: '#ffffff',
    paper_bgcolor: '#ffffff',
  };
  return {
    data: [...raw.flatMap(rawTrace), ...lines.flatMap(traces)],
    layout,
    config: { responsive: true, displaylogo: false },
  };
}

function axis(label: string | undefined, isLog: boolean): object {
  return { title: { text: label ?? '' }, type: isLog ? 'log' : 'linear', gridcolor: ink.faint, zeroline: false };
}

function rawTrace(raw: NamedLine | null, index: number): object[] {
  if (!raw) return [];
  const line = { color: seriesColour(index), width: 1 };
  const { x, y } = raw;
  return [
    { type: 'scatter', mode: 'lines', x, y: finite(y), line, opacity: 0.25, showlegend: false, hoverinfo: 'skip' },
  ];
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
  const mode = y.length <= sparse ? 'lines+markers' : 'lines';
  return [...band, { type: 'scatter', mode, name, x, y: finite(y), line: { color, width: 2 } }];
}

/** JSON knows no NaN: gaps are null. */
function finite(values: readonly number[]): (number | null)[] {
  return values.map((value) => (Number.isFinite(value) ? value : null));
}
