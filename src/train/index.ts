/** Training: the stages, and what a stage of one's own is made from. */
export type { LatentBatch, Source, TextEncoder } from './ingredients.ts';
export type { SigmaSampling } from './losses.ts';
export * as ema from './optimiser/ema.ts';
export { Learner } from './optimiser/learner.ts';
export { type Average, type LearnerOptions, type RateSchedule, settleLearner } from './optimiser/learner-options.ts';
export type * from './optimiser/optimiser.ts';
export { adamw, chosenBy, gradientsOf, muon, parametersOf } from './optimiser/optimiser.ts';
export { makeUpdate, type Update, type UpdateOptions, type UpdateResult } from './optimiser/update.ts';
export type { ExplorationOptions, ScoredStep } from './rollout/exploration.ts';
export type { JudgeOptions, RewardLossForm } from './rollout/reward-loss.ts';
export type { RolloutIngredients } from './rollout/supervised-rollout.ts';
export type { Json, RunRecord } from './run/record.ts';
export type * from './run/stage.ts';
export { runStage } from './run/stage.ts';
export { type DistilOptions, distil } from './stages/distil.ts';
export type { MatchingStep, ScoreOptions } from './stages/distribution-matching.ts';
export type * from './stages/ode.ts';
export { heldOutOdeLoss, ode } from './stages/ode.ts';
export { type RewardStep, type RewardTrainOptions, reward } from './stages/reward.ts';
export { type SelfForcingOptions, type SelfForcingStep, selfForcing } from './stages/self-forcing.ts';
export { type TeacherOptions, teacher } from './stages/teacher.ts';
export { latentStatistics, type VaeStep, type VaeTrainOptions, vae } from './stages/vae.ts';
export {
  type BestOfNOptions,
  bestOfN,
  type PolicyOptions,
  type PolicyStep,
  policy,
} from './stages/without-gradient.ts';
