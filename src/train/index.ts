/** Training: the stages, and what a stage of one's own is made from. */
export type { LatentBatch, Source, TextEncoder } from './ingredients.ts';
export {
  dmdGradient,
  dmdLoss,
  flowMatchingLoss,
  odeLoss,
  type SigmaSampling,
} from './losses/losses.ts';
export { groupAdvantages, type PolicyLoss, policyLoss, stepDivergence, stepLogDensity } from './losses/policy.ts';
export * as ema from './optimiser/ema.ts';
export { type Gradients, globalNorm, gradientsOf, type Objective, parametersOf } from './optimiser/gradients.ts';
export { Learner } from './optimiser/learner.ts';
export {
  type Average,
  type LearnerOptions,
  type RateSchedule,
  rateAt,
  settleLearner,
} from './optimiser/learner-options.ts';
export { type MuonSettings, muon } from './optimiser/muon.ts';
export { type AdamWSettings, adamw, chosenBy, type Optimiser, releaseState } from './optimiser/optimiser.ts';
export { makeUpdate, type Update, type UpdateOptions, type UpdateResult } from './optimiser/update.ts';
export type { ExplorationOptions, ScoredStep } from './rollout/exploration.ts';
export { type JudgeOptions, type RewardLossForm, rewardLoss } from './rollout/reward-loss.ts';
export type { RolloutIngredients } from './rollout/supervised-rollout.ts';
export {
  CheckpointError,
  type CheckpointTensors,
  checkpointSteps,
  type Manifest,
  newestCheckpoint,
  readCheckpointFile,
  verifyCheckpoint,
  writeCheckpoint,
} from './run/checkpoint.ts';
export { type StageCurve, type TrainingCurves, trainingCurves } from './run/curves.ts';
export type { Json, RunRecord } from './run/record.ts';
export { RunFolder, type RunFolderOptions } from './run/run-folder.ts';
export { type RunOptions, runStage, type Stage, type StepResult, type TrainStep } from './run/stage.ts';
export { type BestOfNOptions, bestOfN } from './stages/best-of-n.ts';
export { type DistilOptions, distil } from './stages/distil.ts';
export type { MatchingStep, ScoreOptions } from './stages/distribution-matching.ts';
export {
  heldOutOdeLoss,
  type OdeOptions,
  type OdeValidationOptions,
  ode,
  type TrajectoryBatch,
} from './stages/ode.ts';
export { type PolicyOptions, type PolicyStep, policy } from './stages/policy.ts';
export { type RewardStep, type RewardTrainOptions, reward } from './stages/reward.ts';
export { type SelfForcingOptions, type SelfForcingStep, selfForcing } from './stages/self-forcing.ts';
export { type TeacherOptions, teacher } from './stages/teacher.ts';
export { latentStatistics, type VaeStep, type VaeTrainOptions, vae } from './stages/vae.ts';
