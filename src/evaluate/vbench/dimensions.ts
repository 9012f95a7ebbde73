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
