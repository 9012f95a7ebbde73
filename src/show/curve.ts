import { type CurveData, type CurveOptions, sparse } from './curve-data.ts';
import { plotly } from './curve-plotly.ts';
import { drawCurve } from './curve-svg.ts';
import { type Figure, figure } from './figure.ts';
import { type NamedLine, readSeries, type Series, smooth } from './series.ts';
import { svgToPng } from './theme.ts';

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
  const isSmoothed = ({ y, low }: NamedLine): boolean => smoothing > 0 && low === null && y.length > sparse;
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
