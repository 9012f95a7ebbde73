export {
  DIMENSION_NAMES,
  DIMENSIONS,
  type Dimension,
  type DimensionGroup,
  type DimensionRule,
  type DimensionScores,
  type VBenchTotals,
  vbenchTotals,
} from './dimensions.ts';
export { middleFrames, type Padding, paddingTo, padPlane } from './frames.ts';
export {
  aestheticQuality,
  appearanceStyle,
  backgroundConsistency,
  type DimensionValue,
  type ImagingMode,
  imagingQuality,
  subjectConsistency,
  videoTextConsistency,
} from './looks.ts';
export {
  isStill,
  motionSmoothness,
  raftDynamicDegree,
  temporalFlickering,
} from './motion.ts';
export {
  type ExportedVideo,
  type ExportOptions,
  exportForVBench,
  runVBench,
  type VBenchRun,
  vbenchFileName,
} from './program.ts';
export { importVBenchResults, type VBenchResults } from './results.ts';
export {
  clipDynamicDegree,
  consistency,
  type DynamicDegree,
  dynamicDegree,
  flicker,
  flickering,
  flowDynamicDegree,
  sampledFrames,
  topMagnitude,
} from './rules.ts';
export {
  type DimensionStatus,
  dimensionTable,
  findOfficialFiles,
  OFFICIAL_FILES,
  type OfficialConfigs,
  type OfficialFile,
  officialConfigs,
  RECIPES,
} from './status.ts';
export { type Measure, measured, type VideoShape, type Watch } from './watch.ts';
