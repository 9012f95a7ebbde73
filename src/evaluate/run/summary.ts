/** From the results of single videos to one row per measure, and to VBench's table. */
import { bootstrap, type Interval, promptMean, wilson } from '../statistics.ts';
import {
  DIMENSIONS,
  type Dimension,
  type DimensionScores,
  type DimensionStatus,
  dimensionTable,
  type VBenchTotals,
  vbenchTotals,
} from '../vbench/dimensions.ts';
import type { VideoResult } from './journal.ts';
import type { MeasureColumn, Measured } from './measures.ts';

/** One measure over all videos. */
export interface MeasureSummary extends MeasureColumn {
  /** Mean of the values by their weights, as VBench averages; null if no video has a value. */
  readonly value: number | null;
  /**
   * Of the mean over prompts of the mean over their videos; null below two prompts. For shares of videos it is Wilson's with
   * prompts as trials, which holds even if the videos of a prompt are all alike.
   */
  readonly interval: Interval | null;
  /** Videos and prompts with a value. */
  readonly videos: number;
  readonly prompts: number;
}

export interface EvaluationSummary {
  /** Videos that could be read, and their prompts. */
  readonly videos: number;
  readonly prompts: number;
  /** Videos that could not be read, with the reason. */
  readonly broken: readonly { readonly file: string; readonly reason: string }[];
  readonly measures: readonly MeasureSummary[];
  readonly vbench: VBenchTable;
}

/** VBench's 16 dimensions: status and value of each, and the totals that they allow. */
export interface VBenchTable {
  readonly rows: readonly VBenchRow[];
  readonly totals: VBenchTotals;
}

export interface VBenchRow extends Omit<DimensionStatus, 'status'> {
  /** `imported` from VBench's own results, or as in {@link dimensionTable}. */
  readonly status: DimensionStatus['status'] | 'imported';
  /** Raw value as a fraction, null where there is none. */
  readonly raw: number | null;
  /** Videos and prompts that it is the mean of; null of what VBench itself has found. */
  readonly videos: number | null;
  readonly prompts: number | null;
  /** (raw - min) / (max - min), as it enters the totals. */
  readonly normalised: number | null;
}

/** Sums up videos under the columns they were measured by; `imported` are scores that VBench itself has found. */
export function summariseVideos(
  results: readonly VideoResult[],
  columns: readonly MeasureColumn[],
  imported: DimensionScores = {},
): EvaluationSummary {
  const measures = columns.map((column) => summariseColumn(results, column));
  const read = results.filter(({ broken }) => broken === undefined);
  return {
    videos: read.length,
    prompts: new Set(read.map(({ prompt }) => prompt)).size,
    broken: results.flatMap(({ file, broken }) => (broken === undefined ? [] : [{ file, reason: broken }])),
    measures,
    vbench: vbenchTable(measures, imported),
  };
}

function summariseColumn(results: readonly VideoResult[], column: MeasureColumn): MeasureSummary {
  const byPrompt = [...valuesByPrompt(results, column).values()];
  const counted = byPrompt.flat();
  const weights = counted.reduce((total, { weight }) => total + weight, 0);
  const sum = counted.reduce((total, { score, weight }) => total + score * weight, 0);
  return {
    ...column,
    value: weights === 0 ? null : sum / weights,
    interval: intervalOf(byPrompt, column),
    videos: counted.length,
    prompts: byPrompt.length,
  };
}

type Value = NonNullable<Measured>;

function intervalOf(byPrompt: readonly (readonly Value[])[], { isShare }: MeasureColumn): Interval | null {
  const scores = byPrompt.map((values) => values.map(({ score }) => score));
  if (scores.length < 2) return null;
  return isShare ? wilson(promptMean(scores) * scores.length, scores.length) : bootstrap(scores);
}

function valuesByPrompt(results: readonly VideoResult[], column: MeasureColumn): Map<string, Value[]> {
  const { name, mostPerPrompt = Number.POSITIVE_INFINITY } = column;
  const byPrompt = new Map<string, Value[]>();
  for (const { prompt, values } of [...results].sort((a, b) => Number(a.seed) - Number(b.seed) || 0)) {
    const value = values?.[name] ?? null;
    const known = byPrompt.get(prompt) ?? [];
    if (value !== null && known.length < mostPerPrompt) byPrompt.set(prompt, [...known, value]);
  }
  return byPrompt;
}

/** The 16 rows. A value under another name than a dimension's never enters; the total is null until all 16 are there. */
export function vbenchTable(measures: readonly MeasureSummary[], imported: DimensionScores = {}): VBenchTable {
  const computed = new Map(measures.map((measure) => [measure.name, measure]));
  const scores: DimensionScores = { ...imported };
  for (const { name, value, officialEquivalent } of measures) {
    if (Object.hasOwn(DIMENSIONS, name) && officialEquivalent && value !== null) scores[name as Dimension] = value;
  }
  const totals = vbenchTotals(scores);
  const rows = dimensionTable().map((row): VBenchRow => {
    const here = computed.has(row.dimension);
    const status = here ? 'computed' : imported[row.dimension] === undefined ? row.status : 'imported';
    const raw = scores[row.dimension] ?? null;
    const { videos = null, prompts = null } = computed.get(row.dimension) ?? {};
    const missing = status === 'needs weights' ? row.missing : [];
    return { ...row, status, missing, raw, videos, prompts, normalised: totals.normalised[row.dimension] ?? null };
  });
  return { rows, totals };
}
