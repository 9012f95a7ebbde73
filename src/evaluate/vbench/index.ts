export { consistency, flicker } from './consistency.ts';
export { DIMENSION_NAMES, DIMENSIONS, type Dimension, type DimensionGroup, type DimensionRule } from './dimensions.ts';
export { clipDynamicDegree, type DynamicDegree, dynamicDegree, sampledFrames, topMagnitude } from './dynamic-degree.ts';
export { type Padding, paddingTo, padPlane } from './padding.ts';
export { type DimensionScores, type VBenchTotals, vbenchTotals } from './totals.ts';
