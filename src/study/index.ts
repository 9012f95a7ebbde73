/** The small scale end to end: recipe, trained networks, generation, measurement, comparison, demo. */

export { type ClipsToWrite, prepareFolder, probeCodec, writeClips } from '../io/internal.ts';
export { promptSource } from '../world/digits/sources.ts';
export { Chain, runChain } from './chain/chain.ts';
export { type FromScratchOptions, runFromScratch } from './chain/from-scratch.ts';
export { phase1, phase2, type SupervisedFrames } from './chain/phases.ts';
export { type Progress, type StudyRunOptions, type Work, weightsFolder } from './chain/study-run.ts';
export { sampleTeacher, type TeacherSampling, trajectorySource } from './chain/trajectories.ts';
export {
  type ArtefactName,
  loadArtefact,
  NETWORKS,
  type NetworkName,
  saveArtefact,
  VARIANTS,
  type VariantName,
} from './networks/artefacts.ts';
export {
  clipLatentShape,
  type SamplingKind,
  type SamplingParts,
  studentSchedule,
  videoModel,
} from './networks/generate.ts';
export { loadNetworks, type Networks, type StudentName } from './networks/networks.ts';
export { type Recipe, type StageRecipe, smokeRecipe, studyRecipe } from './networks/recipe.ts';
export { type Manifest, readManifest, shippedFolder, shipWeights, verifyWeights } from './networks/shipped.ts';
export {
  type CompareOptions,
  type Contestant,
  compareOutcomes,
  evaluateContestant,
  evaluationPrompts,
  type Outcome,
} from './results/compare.ts';
export { demoPicture } from './results/demo-picture.ts';
export { type DemoRecord, demoResults } from './results/demo-results.ts';
export { type CoarseToFine, coarseToFine, middleFlow, realClips } from './results/illustrations.ts';
export {
  type Judges,
  MEASURES,
  type MeasureName,
  type Measures,
  measure,
  scoreFrames,
  summarise,
} from './results/measure.ts';
export { MEASURE_NOTES, type MeasureNote } from './results/measure-notes.ts';
export { type Published, readPublished } from './results/published.ts';
export { claimsTable, differenceTable, measureTable } from './results/report-tables.ts';
export {
  type Claim,
  type DemoResults,
  type Difference,
  type EngineUsed,
  type ScratchResults,
  type StepCurves,
  type Summary,
  toJson,
} from './results/results.ts';
