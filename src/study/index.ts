/** The small scale end to end: recipe, trained networks, generation, measurement, comparison, demo. */

export { type ClipsToWrite, prepareFolder, probeCodec, writeClips } from '../io/internal.ts';
export {
  type Artefact,
  type ArtefactName,
  loadArtefact,
  NETWORKS,
  type NetworkName,
  saveArtefact,
  VARIANTS,
  type VariantName,
} from './artefacts.ts';
export { Chain, runChain } from './chain.ts';
export {
  type CompareOptions,
  type Contestant,
  compareOutcomes,
  evaluateContestant,
  evaluationPrompts,
  latentSampler,
  type Outcome,
} from './compare.ts';
export { demoPicture } from './demo-picture.ts';
export { type DemoRecord, demoResults } from './demo-results.ts';
export { type FromScratchOptions, runFromScratch } from './from-scratch.ts';
export {
  clipLatentShape,
  copyOf,
  decodeClips,
  distilledSampler,
  generate,
  generateAll,
  guidedField,
  type Net,
  type SamplingParts,
  studentSampler,
  studentSchedule,
  teacherSampler,
} from './generate.ts';
export { type CoarseToFine, coarseToFine, middleFlow, realClips } from './illustrations.ts';
export { type Judges, MEASURES, type MeasureName, type Measures, measure, scoreFrames, summarise } from './measure.ts';
export { MEASURE_NOTES, type MeasureNote } from './measure-notes.ts';
export { loadNetworks, type Networks, type StudentName } from './networks.ts';
export { phase1, phase2, type SupervisedFrames } from './phases.ts';
export { type Published, readPublished } from './published.ts';
export { type Recipe, type StageRecipe, smokeRecipe, studyRecipe } from './recipe.ts';
export { claimsTable, differenceTable, measureTable } from './report-tables.ts';
export {
  type Claim,
  type DemoResults,
  type Difference,
  type EngineUsed,
  type ScratchResults,
  type StepCurves,
  type Summary,
  toJson,
} from './results.ts';
export { type Manifest, readManifest, shippedFolder, shipWeights, verifyWeights } from './shipped.ts';
export { type Progress, type StudyRunOptions, type Work, weightsFolder } from './study-run.ts';
export { memoryTrajectories, sampleTeacher, type TeacherSampling, trajectorySource } from './trajectories.ts';
export { promptSource } from './world.ts';
