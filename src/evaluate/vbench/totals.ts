import { DIMENSION_NAMES, DIMENSIONS, type Dimension, type DimensionGroup } from './dimensions.ts';

/** Raw dimension values as fractions (0.71 for 71 %). */
export type DimensionScores = Partial<Record<Dimension, number>>;

/** Totals of one model. */
export interface VBenchTotals {
  /** (raw - min) / (max - min), not clipped. */
  normalised: DimensionScores;
  /** Weighted mean over the quality dimensions given; null when none is. */
  quality: number | null;
  /** Weighted mean over the semantic dimensions given; null when none is. */
  semantic: number | null;
  /** (4 quality + semantic) / 5; null unless all 16 dimensions are given. */
  total: number | null;
  /** Dimensions that were not given. */
  missing: Dimension[];
}

const QUALITY_WEIGHT = 4;
const SEMANTIC_WEIGHT = 1;

/**
 * VBench totals from raw dimension values. The reference script takes a missing dimension as raw 0, which drags
 * the total down; here the total is null and `missing` says why.
 * @throws on an unknown dimension and on a value that is not a finite number.
 * Source: VBench scripts/cal_final_score.py.
 */
export function vbenchTotals(scores: DimensionScores): VBenchTotals {
  const normalised: DimensionScores = {};
  for (const [name, raw] of Object.entries(scores)) {
    const rule = DIMENSIONS[name as Dimension];
    if (!rule) throw new Error(`"${name}" is not a VBench dimension; want one of: ${DIMENSION_NAMES.join(', ')}`);
    if (!Number.isFinite(raw)) throw new RangeError(`${name} is ${raw}; want a fraction such as 0.71`);
    normalised[name as Dimension] = (raw - rule.min) / (rule.max - rule.min);
  }
  const missing = DIMENSION_NAMES.filter((name) => normalised[name] === undefined);
  const quality = groupMean(normalised, 'quality');
  const semantic = groupMean(normalised, 'semantic');
  const complete = missing.length === 0 && quality !== null && semantic !== null;
  const total = complete
    ? (QUALITY_WEIGHT * quality + SEMANTIC_WEIGHT * semantic) / (QUALITY_WEIGHT + SEMANTIC_WEIGHT)
    : null;
  return { normalised, quality, semantic, total, missing };
}

function groupMean(normalised: DimensionScores, group: DimensionGroup): number | null {
  let [sum, weights] = [0, 0];
  for (const name of DIMENSION_NAMES) {
    const value = normalised[name];
    if (value === undefined || DIMENSIONS[name].group !== group) continue;
    sum += DIMENSIONS[name].weight * value;
    weights += DIMENSIONS[name].weight;
  }
  return weights === 0 ? null : sum / weights;
}
