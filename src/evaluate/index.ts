/** Measures of generated video: of a folder of any model's clips, of a run's failures, of two models against each other. */
export { type Diagnosis, diagnose, hackingAlarms } from './diagnostics/diagnose.ts';
export {
  type ClipEvidence,
  type ClipEvidenceOptions,
  clipEvidence,
  type LogEvidence,
  logEvidence,
  type RewardHistory,
  type RunEvidence,
} from './diagnostics/evidence.ts';
export {
  type HackingSignals,
  hackingSignals,
  meanScore,
  type RewardCurve,
  rewardCurve,
  scoreClips,
} from './diagnostics/reward-signals.ts';
export {
  type FeatureDistance,
  type FeatureExtractor,
  featureDistance,
  principalComponents,
} from './distance/features.ts';
export { compareFlows, type FlowComparison } from './flow/compare.ts';
export { clipFlow, type Flow, type FlowEstimator } from './flow/lucas-kanade.ts';
export { type MotionOptions, type MotionReport, motionReport } from './motion/report.ts';
export { type EvaluateOptions, type EvaluateProgress, evaluateVideos } from './run/evaluate-videos.ts';
export type { VideoResult } from './run/journal.ts';
export type * from './run/measures.ts';
export { type OfficialOptions, officialMeasures } from './run/official.ts';
export { type EvaluationSummary, type MeasureSummary, summariseVideos, type VBenchTable } from './run/summary.ts';
export { listVideos, type VideoEntry } from './run/videos.ts';
export { type WeightFreeOptions, weightFreeMeasures } from './run/weight-free.ts';
export {
  type BootstrapOptions,
  bootstrap,
  holm,
  type Interval,
  type PairedComparison,
  pairedDifference,
  percentile,
  promptMean,
  type Scores,
} from './statistics.ts';
export {
  DIMENSION_NAMES,
  type Dimension,
  type DimensionScores,
  type DimensionStatus,
  dimensionTable,
  type VBenchTotals,
  vbenchTotals,
} from './vbench/dimensions.ts';
export { type ExportedVideo, exportForVBench, runVBench, type VBenchRun } from './vbench/program.ts';
export { importVBenchResults, type VBenchResults } from './vbench/results.ts';
export type { DynamicDegree } from './vbench/rules.ts';
