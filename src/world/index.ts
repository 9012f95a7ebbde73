/**
 * Worlds: what is shown and said in the small clips that the study trains on. {@link defineWorld} makes one; `digits`
 * and `sprites` come with the package.
 */
export type { TextSizes, WorldText } from './captions.ts';
export * as digits from './digits/index.ts';
export type { JudgeRun, Judges, JudgeTraining, WorldJudge } from './judge.ts';
export {
  type Claim,
  dynamicDegree,
  type Measure,
  type Measured,
  motionMeasures,
  type OutcomeId,
  rewardMeasures,
  steadiness,
} from './measures.ts';
export type * from './preference/index.ts';
export {
  preferenceArchitecture,
  preferenceJudges,
  preferenceReward,
  trainPreference,
  validatePreferences,
} from './preference/index.ts';
export { type Recipe, type RecipeChanges, recipe, type StageRecipe, smokeRecipe } from './recipe.ts';
export {
  clipSource,
  type LatentBank,
  latentSource,
  promptSource,
  stacked,
  stillSource,
} from './sources.ts';
export * as sprites from './sprites/index.ts';
export {
  type ClipDraw,
  defineWorld,
  type PromptSet,
  type Split,
  type World,
  type WorldClip,
  type WorldIdentity,
  type WorldParts,
} from './world.ts';
