export { type EvaluateOptions, type EvaluateProgress, evaluateVideos } from './evaluate-videos.ts';
export type { VideoResult } from './journal.ts';
export type {
  MeasureColumn,
  Measured,
  MeasuredValues,
  MeasuredVideo,
  MeasureGroup,
  OpenMeasures,
} from './measures.ts';
export { type OfficialOptions, officialMeasures } from './official.ts';
export {
  type EvaluationSummary,
  type MeasureSummary,
  summariseVideos,
  type VBenchRow,
  type VBenchTable,
  vbenchTable,
} from './summary.ts';
export {
  listVideos,
  promptOfName,
  readVBenchSuite,
  type SuitePrompt,
  type SuiteVideos,
  underSuite,
  type VideoEntry,
} from './videos.ts';
export { type Shrinking, shrinking, type WeightFreeOptions, weightFreeMeasures } from './weight-free.ts';
