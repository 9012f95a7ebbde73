import { alignColumns, escapeHtml } from '../display/index.ts';
import { type Figure, type FigureOptions, figure } from './figure.ts';
import { fitText, ink, sans, svgDocument, svgHeading, svgText, svgToPng, textWidth } from './theme.ts';

export type Cell = string | number | boolean | null | undefined;

type Row = Readonly<Record<string, Cell>>;

export interface TableOptions extends FigureOptions {
  /** Columns shown, in order; default: all keys of the rows. */
  columns?: readonly string[];
  /** Digits after the point of numbers that are not whole; default 3. */
  digits?: number;
  /** Columns whose best value is set bold, and whether more or less is better. */
  best?: Readonly<Record<string, 'highest' | 'lowest'>>;
}

/** A table as drawn: texts, with numeric columns to the right. */
interface Grid {
  columns: readonly string[];
  texts: string[][];
  isNumber: boolean[];
  isBest: boolean[][];
}

/**
 * A table of records: rows of an evaluation, one object each.
 *
 * @example table([{ model: 'phase 1', reward: 0.31 }, { model: 'phase 2', reward: 0.58 }], { best: { reward: 'highest' } })
 */
export function table(rows: readonly Row[], options: TableOptions = {}): Figure {
  const grid = layout(rows, options);
  const { title, provenance = {} } = options;
  const forms = {
    text: plain(grid, title),
    png: async () => svgToPng(drawTable(grid, title)),
    html: () => writeTable(grid, title),
    rich: true,
  };
  return figure({ provenance }, forms);
}

function layout(rows: readonly Row[], { columns, digits = 3, best = {} }: TableOptions): Grid {
  const names = columns ?? [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (names.length === 0)
    throw new RangeError('rows: no columns; give at least one object with a key, or name the columns');
  const isNumber = names.map((name) => {
    const kinds = rows.map((row) => typeof (row[name] ?? undefined));
    return kinds.includes('number') && kinds.every((kind) => kind === 'number' || kind === 'undefined');
  });
  const texts = rows.map((row) => names.map((name) => cellText(row[name], digits)));
  const winners = names.map((name) => bestValue(rows, name, best[name]));
  const isBest = rows.map((row) => names.map((name, i) => winners[i] !== null && row[name] === winners[i]));
  return { columns: names, texts, isNumber, isBest };
}

function cellText(cell: Cell, digits: number): string {
  if (cell === null || cell === undefined) return '–';
  if (typeof cell !== 'number') return String(cell);
  if (Number.isInteger(cell) || !Number.isFinite(cell)) return String(cell).replace('-', '−');
  const small = cell !== 0 && Math.abs(cell) < 10 ** -digits;
  return (small ? cell.toExponential(Math.max(0, digits - 1)) : cell.toFixed(digits)).replace(/^-/, '−');
}

function bestValue(rows: readonly Row[], name: string, which?: 'highest' | 'lowest'): number | null {
  const numbers = rows.map((row) => row[name]).filter((cell) => typeof cell === 'number');
  if (!which || numbers.length < 2) return null;
  return which === 'highest' ? Math.max(...numbers) : Math.min(...numbers);
}

function plain({ columns, texts, isNumber }: Grid, title?: string): string {
  const widths = columns.map((name, i) => Math.max(name.length, ...texts.map((row) => row[i]!.length)));
  const rule = widths.map((width) => '-'.repeat(width));
  return [...(title ? [title] : []), ...alignColumns([columns, rule, ...texts], isNumber)].join('\n');
}

function writeTable({ columns, texts, isNumber, isBest }: Grid, title?: string): string {
  const align = (i: number): string => `text-align:${isNumber[i] ? 'right' : 'left'};padding:5px 12px`;
  const head = columns.map(
    (name, i) => `<th style="${align(i)};border-bottom:1.5px solid ${ink.text}">${escapeHtml(name)}</th>`,
  );
  const body = texts.map((row, r) => {
    const cells = row.map((text, i) => {
      const weight = isBest[r]![i] ? ';font-weight:700' : '';
      return `<td style="${align(i)};border-bottom:1px solid ${ink.faint};font-variant-numeric:tabular-nums${weight}">${escapeHtml(text)}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  const caption = title
    ? `<caption style="text-align:left;font-weight:600;padding:0 12px 6px">${escapeHtml(title)}</caption>`
    : '';
  const style = `border-collapse:collapse;font-family:${escapeHtml(sans)};font-size:13px;color:${ink.text}`;
  return `<table style="${style}">${caption}<thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table>`;
}

const [margin, rowHeight, size, padding] = [12, 24, 12, 20];

function drawTable({ columns, texts, isNumber, isBest }: Grid, title?: string): string {
  const fitted = [columns, ...texts].map((row) => row.map((text) => fitText(text, 360, size)));
  const widths = columns.map((_, i) => Math.max(...fitted.map((row) => textWidth(row[i]!, size, 'bold'))) + padding);
  const starts = widths.map((_, i) => margin + widths.slice(0, i).reduce((sum, width) => sum + width, 0));
  const width = Math.max(
    starts.at(-1)! + widths.at(-1)! + margin,
    title ? textWidth(title, 15, 'bold') + 2 * margin : 0,
  );
  const top = margin + (title ? 28 : 0);
  const rows = fitted.map((row, r) => {
    const y = top + (r + 1) * rowHeight;
    const cells = row.map((text, i) => {
      const weight = r === 0 || isBest[r - 1]![i] ? 'bold' : 'normal';
      const x = isNumber[i] ? starts[i]! + widths[i]! - padding / 2 : starts[i]! + padding / 2;
      return svgText(text, x, y - 8, { size, weight, anchor: isNumber[i] ? 'end' : 'start' });
    });
    const stroke = r === 0 ? `stroke="${ink.text}" stroke-width="1.5"` : `stroke="${ink.faint}"`;
    return `${cells.join('')}<line x1="${margin}" x2="${width - margin}" y1="${y}" y2="${y}" ${stroke}/>`;
  });
  return svgDocument(
    Math.ceil(width),
    Math.ceil(top + fitted.length * rowHeight + margin),
    svgHeading(title, margin) + rows.join(''),
  );
}
