export { consistency, flicker } from './consistency.ts';
export { DIMENSION_NAMES, DIMENSIONS, type Dimension, type DimensionGroup, type DimensionRule } from './dimensions.ts';
export { clipDynamicDegree, type DynamicDegree, dynamicDegree, sampledFrames, topMagnitude } from './dynamic-degree.ts';
export { type ExportedVideo, type ExportOptions, exportForVBench, vbenchFileName } from './export.ts';
export { middleFrames } from './frames.ts';
export {
  aestheticQuality,
  appearanceStyle,
  backgroundConsistency,
  type DimensionValue,
  type ImagingMode,
  imagingQuality,
  subjectConsistency,
} from './looks.ts';
export {
  isStill,
  motionSmoothness,
  passesStaticFilter,
  raftDynamicDegree,
  temporalFlickering,
} from './motion-official.ts';
export { type Padding, paddingTo, padPlane } from './padding.ts';
export { importVBenchResults, type VBenchResults } from './results.ts';
export { runVBench, type VBenchRun } from './run-vbench.ts';
export {
  type DimensionStatus,
  dimensionTable,
  OFFICIAL_FILES,
  type OfficialConfigs,
  type OfficialFile,
  officialConfigs,
} from './status.ts';
export { type DimensionScores, type VBenchTotals, vbenchTotals } from './totals.ts';
export { videoTextConsistency } from './video-text.ts';
