/** The small scale end to end, on any world: trained networks, what they are measured by, and the chain that makes them. */
export { type ClipsToWrite, prepareFolder, probeCodec, writeClips } from '../io/internal.ts';
export { runChain } from './chain/chain.ts';
export { sampleTeacher, type TeacherSampling, trajectorySource } from './chain/trajectories.ts';
export { loadNetwork } from './networks/files.ts';
export { type Manifest, shippedFolder, shipWeights } from './networks/manifest.ts';
export { Networks, type OpenedNetworks, type OpenOptions, open } from './networks/networks.ts';
export { type Progress, type StudyOptions, type Work, weightsFolder } from './networks/place.ts';
export type { LatentShape, Phase1Settings, Phase2Settings, SamplingKind, SamplingParts } from './networks/settings.ts';
export {
  type CompareOptions,
  type CompareParts,
  type Contestant,
  compareOutcomes,
  contestant,
  type Difference,
  evaluateContestant,
  type Measures,
  measure,
  type Outcome,
  realClips,
  type Summary,
} from './results/outcomes.ts';
export { type CoarseToFine, coarseToFine, demoPicture, middleFlow } from './results/pictures.ts';
export {
  type DemoRecord,
  type DemoResults,
  demoResults,
  type EngineUsed,
  type JudgedClaim,
  type Published,
  readPublished,
  type ScratchResults,
  type StepCurves,
  toJson,
} from './results/results.ts';
export { claimsTable, differenceTable, type MeasureTableOptions, measureTable } from './results/tables.ts';
