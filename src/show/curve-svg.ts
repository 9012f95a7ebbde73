import { type CurveData, isLog, type NamedLine, sparse } from './series.ts';
import {
  fitText,
  headingStyle,
  ink,
  sans,
  seriesColour,
  svgDocument,
  svgHeading,
  svgText,
  textWidth,
} from './theme.ts';

interface Point {
  x: number;
  y: number;
  low: number;
  high: number;
}

const margin = 12;
/** Name of a reference line: above it at the right end, legible over other lines. */
const referenceLabel = {
  ...({ frameAnchor: 'right', textAnchor: 'end', dy: -8 } as const),
  fill: ink.muted,
  stroke: '#ffffff',
  strokeWidth: 4,
};
const margins = { marginLeft: 56, marginRight: 18, marginTop: 22, marginBottom: 40 };
const logScale = { type: 'log', ticks: 5, tickFormat: '~g' } as const;

/** Draws curves as an SVG document: title, legend, then the chart by Observable Plot on a DOM without a browser. */
export async function drawCurve(data: CurveData): Promise<string> {
  const { title, width = 640, height = 360 } = data.options;
  const room = width - 2 * margin;
  const legend = legendRows(data.lines, room);
  const heading = svgHeading(title && fitText(title, room, headingStyle.size!, 'bold'), margin);
  const titleHeight = title ? 26 : 0;
  const head = margin + titleHeight + legend.height;
  const chart = await drawChart(data, width, height - head);
  const body = `<rect width="${width}" height="${height}" fill="#ffffff"/>${heading}`;
  const keys = `<g transform="translate(${margin},${margin + titleHeight})">${legend.body}</g>`;
  return svgDocument(width, height, `${body}${keys}<g transform="translate(0,${head})">${chart}</g>`);
}

/** A swatch and a name for each line, in as many rows as they need; nothing for a single line. */
function legendRows(lines: readonly NamedLine[], width: number): { body: string; height: number } {
  if (lines.length < 2) return { body: '', height: 0 };
  const [size, rowHeight, swatch] = [12, 18, 22];
  let [x, y, body] = [0, 0, ''];
  lines.forEach(({ name }, index) => {
    const label = fitText(name, width - swatch, size);
    const length = swatch + textWidth(label, size) + 14;
    if (x > 0 && x + length > width) [x, y] = [0, y + rowHeight];
    const stroke = `stroke="${seriesColour(index)}" stroke-width="3" stroke-linecap="round"`;
    body += `<line x1="${x + 2}" x2="${x + 14}" y1="${y + 8}" y2="${y + 8}" ${stroke}/>${svgText(label, x + swatch - 2, y + 12, { size })}`;
    x += length;
  });
  return { body, height: y + rowHeight + 6 };
}

async function drawChart({ lines, raw, options }: CurveData, width: number, height: number): Promise<string> {
  const [Plot, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]);
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const { references = {}, xLabel = null, yLabel = null } = options;
  const [logX, logY] = [isLog(options, 'x'), isLog(options, 'y')];
  const shown = (line: NamedLine): Point[] => points(line, logX, logY);
  const style = (index: number, strokeWidth: number, strokeOpacity: number = 1) => ({
    x: 'x',
    y: 'y',
    stroke: seriesColour(index),
    strokeWidth,
    strokeOpacity,
    strokeLinejoin: 'round' as const,
  });
  const chart = Plot.plot({
    document,
    width,
    height,
    ...margins,
    style: { fontSize: '12px', fontFamily: sans, color: ink.text },
    x: { label: xLabel, ...(logX && logScale), tickSpacing: 90, nice: false },
    y: {
      label: yLabel,
      ...(logY ? logScale : flatDomain(lines, references)),
      tickSpacing: 45,
      nice: true,
      grid: true,
    },
    marks: [
      ...lines.map((line, i) =>
        line.low
          ? Plot.areaY(shown(line), { x: 'x', y1: 'low', y2: 'high', fill: seriesColour(i), fillOpacity: 0.15 })
          : null,
      ),
      ...raw.map((line, i) => line && Plot.line(shown(line), style(i, 1, 0.25))),
      ...lines.map((line, i) => Plot.line(shown(line), style(i, 2))),
      ...lines.map((line, i) =>
        line.y.length <= sparse ? Plot.dot(shown(line), { x: 'x', y: 'y', r: 3, fill: seriesColour(i) }) : null,
      ),
      Plot.ruleY(Object.values(references), { stroke: ink.muted, strokeDasharray: '5 4' }),
      Plot.text(Object.entries(references), { ...referenceLabel, y: '1', text: '0' }),
    ],
  } as unknown as Parameters<typeof Plot.plot>[0]);
  return (chart as unknown as { outerHTML: string }).outerHTML;
}

/** Room around a level line, whose axis would have no extent. */
function flatDomain(lines: readonly NamedLine[], references: Readonly<Record<string, number>>): { domain?: number[] } {
  const all = [
    ...lines.flatMap(({ y, low, high }) => [...y, ...(low ?? []), ...(high ?? [])]),
    ...Object.values(references),
  ];
  const [level = 0] = all;
  if (all.length === 0 || all.some((value) => value !== level)) return {};
  const room = Math.abs(level) / 2 || 1;
  return { domain: [level - room, level + room] };
}

/** Points that can be drawn: finite, and positive on a logarithmic axis. */
function points({ x, y, low, high }: NamedLine, logX: boolean, logY: boolean): Point[] {
  const all = x.map((value, i) => ({ x: value, y: y[i]!, low: low?.[i] ?? y[i]!, high: high?.[i] ?? y[i]! }));
  const hidden = (point: Point): boolean =>
    (logX && !(point.x > 0)) || (logY && !(point.low > 0)) || !Number.isFinite(point.x);
  return all.filter((point) => !hidden(point));
}
