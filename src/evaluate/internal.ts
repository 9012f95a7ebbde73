/** What other layers, the command line and tests need of measures besides the public surface. */
export {
  colourDistance,
  colourMoments,
  evidenceOfLog,
  frameScores,
  highFrequencyShare,
  meanChroma,
  type Picture,
  promptMargin,
  saturatedShare,
} from './diagnostics/index.ts';
export { frechetDistance, kernelDistance, moments } from './distance/index.ts';
export { luma } from './flow/index.ts';
export { warpingError } from './motion/index.ts';
export { promptOfName, shrinking } from './run/index.ts';
export {
  appearanceStyle,
  backgroundConsistency,
  consistency,
  dynamicDegree,
  imagingQuality,
  isStill,
  measured,
  middleFrames,
  motionSmoothness,
  raftDynamicDegree,
  subjectConsistency,
  topMagnitude,
  vbenchFileName,
  videoTextConsistency,
} from './vbench/index.ts';
