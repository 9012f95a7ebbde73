/** Tables of measures, differences and claims, for the report and the terminal. */
import type { Interval } from '../../evaluate/index.ts';
import * as show from '../../show/index.ts';
import { MEASURES, type MeasureName } from './measure.ts';
import { MEASURE_NOTES } from './measure-notes.ts';
import type { Claim, Difference, Summary } from './results.ts';

const SHARES: ReadonlySet<MeasureName> = new Set(['digit', 'colour', 'direction', 'speed', 'dynamicDegree']);

/** A row per measure, a column per outcome, with intervals that keep to one line. */
export function measureTable(outcomes: Readonly<Record<string, Summary>>, titles: readonly string[]): show.Figure {
  const rows = MEASURES.map((name) => ({
    measure: unbroken(MEASURE_NOTES[name].label),
    ...Object.fromEntries(titles.map((title) => [title, compact(name, outcomes[title]![name])])),
  }));
  return show.table(rows);
}

/** A row per measure of a paired difference. */
export function differenceTable(difference: Difference, title: string): show.Figure {
  const rows = MEASURES.map((name) => ({
    measure: MEASURE_NOTES[name].label,
    difference: compact(name, difference[name]),
    'p, sign flips': difference[name].pValue.toFixed(3),
  }));
  return show.table(rows, { title });
}

/** A row per claim. */
export function claimsTable(claims: readonly Claim[]): show.Figure {
  return show.table(
    claimRows(claims).map((row) => ({
      ...row,
      found: unbroken(row.found),
      verdict: unbroken(row.verdict),
    })),
  );
}

/** The same table in Markdown, for the README. */
export function claimsMarkdown(claims: readonly Claim[]): string {
  const rows = claimRows(claims);
  const columns = Object.keys(rows[0]!);
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return `${[line(columns), line(columns.map(() => '---')), ...rows.map((row) => line(Object.values(row)))].join('\n')}\n`;
}

function claimRows(claims: readonly Claim[]): Record<'claim' | 'at least' | 'found' | 'verdict', string>[] {
  return claims.map(({ claim, measure, atLeast, found, verdict }) => ({
    claim,
    'at least': value(measure, atLeast),
    found: withInterval(measure, found),
    verdict,
  }));
}

function withInterval(name: MeasureName, { estimate, low, high }: Pick<Interval, 'estimate' | 'low' | 'high'>): string {
  return `${value(name, estimate)} [${value(name, low)}, ${value(name, high)}]`;
}

/** The same in fewer characters, for tables of many columns. */
function compact(name: MeasureName, { estimate, low, high }: Pick<Interval, 'estimate' | 'low' | 'high'>): string {
  const bare = (number: number): string => value(name, number).replace('%', '');
  return unbroken(`${value(name, estimate)} [${bare(low)}, ${bare(high)}]`);
}

/** Text that a table does not wrap. */
function unbroken(text: string): string {
  return text.replaceAll(' ', '\u00a0');
}

function value(name: MeasureName, number: number): string {
  return SHARES.has(name) ? `${(100 * number).toFixed(0)}%` : number.toFixed(name === 'flicker' ? 3 : 2);
}
