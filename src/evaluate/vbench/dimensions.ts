/** VBench's 16 dimensions and the totals that follow from them. */

/** Which of the two sub-totals a dimension counts for. */
export type DimensionGroup = 'quality' | 'semantic';

/** How a raw dimension value enters the totals. */
export interface DimensionRule {
  group: DimensionGroup;
  /** Raw value that normalises to 0. */
  min: number;
  /** Raw value that normalises to 1. */
  max: number;
  /** Weight within its group. */
  weight: number;
}

const quality = (min: number, max: number, weight = 1): DimensionRule => ({ group: 'quality', min, max, weight });
const semantic = (min: number, max: number): DimensionRule => ({ group: 'semantic', min, max, weight: 1 });

/** VBench's own name of a dimension. */
export type Dimension =
  | 'subject_consistency'
  | 'background_consistency'
  | 'temporal_flickering'
  | 'motion_smoothness'
  | 'dynamic_degree'
  | 'aesthetic_quality'
  | 'imaging_quality'
  | 'object_class'
  | 'multiple_objects'
  | 'human_action'
  | 'color'
  | 'spatial_relationship'
  | 'scene'
  | 'appearance_style'
  | 'temporal_style'
  | 'overall_consistency';

/** The 16 dimensions of VBench 1 with their published normalisation. Source: VBench scripts/constant.py. */
export const DIMENSIONS: Readonly<Record<Dimension, DimensionRule>> = {
  subject_consistency: quality(0.1462, 1),
  background_consistency: quality(0.2615, 1),
  temporal_flickering: quality(0.6293, 1),
  motion_smoothness: quality(0.706, 0.9975),
  dynamic_degree: quality(0, 1, 0.5),
  aesthetic_quality: quality(0, 1),
  imaging_quality: quality(0, 1),
  object_class: semantic(0, 1),
  multiple_objects: semantic(0, 1),
  human_action: semantic(0, 1),
  color: semantic(0, 1),
  spatial_relationship: semantic(0, 1),
  scene: semantic(0, 0.8222),
  appearance_style: semantic(0.0009, 0.2855),
  temporal_style: semantic(0, 0.364),
  overall_consistency: semantic(0, 0.364),
};

export const DIMENSION_NAMES: readonly Dimension[] = Object.keys(DIMENSIONS) as Dimension[];

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
    if (!rule) throw new Error(`"${name}" is not a VBench dimension; wanted one of: ${DIMENSION_NAMES.join(', ')}`);
    if (!Number.isFinite(raw)) throw new RangeError(`${name} is ${raw}; wanted a fraction such as 0.71`);
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
