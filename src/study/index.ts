/** The small scale end to end: recipe, trained networks, generation, measurement, comparison, demo. */
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
export { Chain, type ChainOptions, type ChainProgress, runChain } from './chain.ts';
export {
  type CompareOptions,
  type Contestant,
  compareOutcomes,
  drawOf,
  evaluateContestant,
  evaluationPrompts,
  type Outcome,
} from './compare.ts';
export { type DemoOptions, type DemoSize, runDemo, smokeDemo, studyDemo } from './demo.ts';
export { type FromScratchOptions, runFromScratch } from './from-scratch.ts';
export { type CoarseToFine, coarseToFine, middleFlow, realClips } from './gallery.ts';
export {
  clipLatentShape,
  decodeClips,
  distilledDraw,
  generate,
  generateAll,
  guidedField,
  type Net,
  type Studio,
  studentDraw,
  studentSchedule,
  teacherDraw,
} from './generate.ts';
export { type Judges, MEASURES, type MeasureName, type Measures, measure, scoreFrames, summarise } from './measure.ts';
export { MEASURE_NOTES, type MeasureNote } from './measure-notes.ts';
export { loadNetworks, type Networks, type StudentName } from './networks.ts';
export { prepareFolder } from './output.ts';
export { phase1, phase2, type SupervisedFrames } from './phases.ts';
export { type Published, readPublished } from './published.ts';
export { type Recipe, type StageRecipe, smokeRecipe, studyRecipe } from './recipe.ts';
export type { Claim, DemoResults, Difference, EngineUsed, ScratchResults, Summary } from './results.ts';
export { type Manifest, readManifest, shipWeights, verifyWeights } from './shipped.ts';
export { type Progress, type Work, weightsFolder } from './workshop.ts';
