/** Tables of measures, differences and claims of a world, for the report and the terminal. */
import type { Interval } from '../../evaluate/index.ts';
import * as show from '../../show/index.ts';
import type { Measure, World } from '../../world/index.ts';
import type { Difference, Summary } from './outcomes.ts';
import type { JudgedClaim } from './results.ts';

/** Which rows a table of measures has. */
export interface MeasureTableOptions {
  /** Only measures of one kind. @defaultValue all */
  readonly kind?: Measure['kind'];
}

/** A row per measure, a column per outcome, with intervals that keep to one line. */
export function measureTable(
  { measures }: Pick<World, 'measures'>,
  outcomes: Readonly<Record<string, Summary>>,
  ids: readonly string[] = Object.keys(outcomes),
  { kind }: MeasureTableOptions = {},
): show.Figure {
  const unknown = ids.find((id) => !outcomes[id]);
  if (unknown !== undefined) {
    throw new Error(`ids: wanted some of ${Object.keys(outcomes).join('; ')}, received "${unknown}"`);
  }
  const rows = measures
    .filter((measure) => kind === undefined || measure.kind === kind)
    .map((measure) => ({
      measure: unbroken(measure.label),
      ...Object.fromEntries(ids.map((id) => [id, compact(measure, outcomes[id]![measure.id]!)])),
    }));
  return show.table(rows);
}

/** A row per measure of a paired difference. */
export function differenceTable(
  { measures }: Pick<World, 'measures'>,
  difference: Difference,
  title: string,
): show.Figure {
  const rows = measures.map((measure) => {
    const found = difference[measure.id]!;
    return { measure: measure.label, difference: compact(measure, found), 'p, sign flips': found.pValue.toFixed(3) };
  });
  return show.table(rows, { title });
}

/** A row per claim. */
export function claimsTable(world: Pick<World, 'measures'>, claims: readonly JudgedClaim[]): show.Figure {
  return show.table(
    claimRows(world, claims).map((row) => ({
      ...row,
      found: unbroken(row.found),
      verdict: unbroken(row.verdict),
    })),
  );
}

/** The same table in Markdown, for the README. */
export function claimsMarkdown(world: Pick<World, 'measures'>, claims: readonly JudgedClaim[]): string {
  const rows = claimRows(world, claims);
  const columns = ['claim', 'at least', 'found', 'verdict'] as const;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const body = rows.map((row) => line(columns.map((column) => row[column])));
  return `${[line(columns), line(columns.map(() => '---')), ...body].join('\n')}\n`;
}

function claimRows(
  { measures }: Pick<World, 'measures'>,
  claims: readonly JudgedClaim[],
): Record<'claim' | 'at least' | 'found' | 'verdict', string>[] {
  return claims.map(({ claim, measure: id, atLeast, found, verdict }) => {
    const measure = measures.find((one) => one.id === id);
    if (!measure) throw new Error(`claim "${claim}": the world has no measure "${id}"`);
    const { estimate, low, high } = found;
    const interval = `${value(measure, estimate)} [${value(measure, low)}, ${value(measure, high)}]`;
    return { claim, 'at least': value(measure, atLeast), found: interval, verdict };
  });
}

/** An interval in few characters, for tables of many columns. */
function compact(measure: Measure, { estimate, low, high }: Pick<Interval, 'estimate' | 'low' | 'high'>): string {
  const bare = (number: number): string => value(measure, number).replace('%', '');
  return unbroken(`${value(measure, estimate)} [${bare(low)}, ${bare(high)}]`);
}

/** Text that a table does not wrap. */
function unbroken(text: string): string {
  return text.replaceAll(' ', '\u00a0');
}

function value({ isShare = false, decimals = 2 }: Measure, number: number): string {
  return isShare ? `${(100 * number).toFixed(0)}%` : number.toFixed(decimals);
}
