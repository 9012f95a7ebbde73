import { drawCurve } from './curve-svg.ts';
import { chartType, type Figure, figure } from './figure.ts';
import {
  type CurveData,
  type CurveOptions,
  isLog,
  type NamedLine,
  readSeries,
  type Series,
  smooth,
  sparse,
} from './series.ts';
import { ink, sans, seriesColour } from './theme.ts';

/**
 * Lines over a common axis: loss and reward over updates, scores over frames. Interactive with Plotly in notebooks that
 * know it, a drawn picture everywhere.
 *
 * @example curve({ reward: rewards, 'held-out aesthetic': { x: steps, y: scores } }, { xLabel: 'update', smoothing: 0.9 })
 */
export function curve(series: Series, options: CurveOptions = {}): Figure {
  const { smoothing = 0 } = options;
  if (!(smoothing >= 0 && smoothing < 1))
    throw new RangeError(`smoothing: wanted 0 <= smoothing < 1, received ${smoothing}`);
  const given = readSeries(series);
  const isSmoothed = ({ low }: NamedLine): boolean => smoothing > 0 && low === null;
  if (smoothing > 0 && !given.some(isSmoothed)) {
    throw new RangeError('smoothing: wanted a line without a band, received bands alone; leave it out');
  }
  const lines = given.map((line) => (isSmoothed(line) ? { ...line, y: smooth(line.y, smoothing) } : line));
  const data: CurveData = { lines, raw: given.map((line) => (isSmoothed(line) ? line : null)), options };
  const forms = {
    text: lines.map(summary).join('; '),
    svg: () => drawCurve(data),
    extra: () => ({ [chartType]: plotly(data) }),
  };
  return figure({ title: 'Curves', ...options }, forms);
}

function summary({ name, y }: NamedLine): string {
  const number = (value: number | undefined): string =>
    value === undefined ? 'none' : String(Number(value.toPrecision(4)));
  return `${name} from ${number(y[0])} to ${number(y.at(-1))} over ${y.length} points`;
}

const dashed = { color: ink.muted, dash: 'dash', width: 1 };
const referenceLine = { type: 'line', xref: 'paper', x0: 0, x1: 1, line: dashed };
const referenceLabel = { xref: 'paper', x: 1, xanchor: 'right', yanchor: 'bottom', showarrow: false };

/** Plotly's description of the chart: data, layout, config. */
function plotly({ lines, raw, options }: CurveData): object {
  const { title, xLabel, yLabel, width = 640, height = 360, references = {} } = options;
  const shapes = Object.values(references).map((y) => ({ ...referenceLine, y0: y, y1: y }));
  const level = (y: number): number => (isLog(options, 'y') ? Math.log10(y) : y);
  const annotations = Object.entries(references).map(([text, y]) => ({ ...referenceLabel, text, y: level(y) }));
  const layout = {
    title: { text: title ?? '', x: 0.02, xanchor: 'left' },
    width,
    height,
    shapes,
    annotations,
    xaxis: axis(xLabel, isLog(options, 'x')),
    yaxis: axis(yLabel, isLog(options, 'y')),
    font: { family: sans, color: ink.text },
    margin: { l: 60, r: 20, t: (title ? 44 : 10) + (lines.length > 1 ? 30 : 10), b: 50 },
    legend: { orientation: 'h', x: 0, y: 1.02, yanchor: 'bottom', traceorder: 'normal' },
    plot_bgcolor: '#ffffff',
    paper_bgcolor: '#ffffff',
  };
  const data = [...raw.flatMap(rawTrace), ...lines.flatMap(traces)];
  return { data, layout, config: { responsive: true, displaylogo: false } };
}

function axis(label: string | undefined, isLogarithmic: boolean): object {
  return {
    title: { text: label ?? '' },
    type: isLogarithmic ? 'log' : 'linear',
    gridcolor: ink.faint,
    zeroline: false,
  };
}

/** What is neither in the legend nor told of under the pointer. */
const faint = { type: 'scatter', mode: 'lines', showlegend: false, hoverinfo: 'skip' };

function rawTrace(raw: NamedLine | null, index: number): object[] {
  if (!raw) return [];
  const line = { color: seriesColour(index), width: 1 };
  return [{ ...faint, x: raw.x, y: finite(raw.y), line, opacity: 0.25 }];
}

function traces({ name, x, y, low, high }: NamedLine, index: number): object[] {
  const color = seriesColour(index);
  const edge = (values: number[]): object => ({ ...faint, x, y: finite(values), line: { width: 0, color } });
  const band = low && high ? [edge(low), { ...edge(high), fill: 'tonexty', fillcolor: `${color}26` }] : [];
  const mode = y.length <= sparse ? 'lines+markers' : 'lines';
  return [...band, { type: 'scatter', mode, name, x, y: finite(y), line: { color, width: 2 } }];
}

/** JSON knows no NaN: gaps are null. */
function finite(values: readonly number[]): (number | null)[] {
  return values.map((value) => (Number.isFinite(value) ? value : null));
}
