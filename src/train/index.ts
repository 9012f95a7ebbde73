export * from '../world/digits/classifier/train-classifier.ts';
export * from '../world/digits/judge/train-preference.ts';
export type { EncodeText, Forward, LatentBatch, Network, Source } from './ingredients.ts';
export * from './losses/dmd.ts';
export * from './losses/flow-matching.ts';
export * from './losses/ode-loss.ts';
export { groupAdvantages, type PolicyLoss, policyLoss, stepDivergence, stepLogDensity } from './losses/policy.ts';
export * as adamw from './optimiser/adamw.ts';
export { type Clip, clipByGlobalNorm, globalNorm, measureClip } from './optimiser/clip-norm.ts';
export * as ema from './optimiser/ema.ts';
export { type Gradients, gradientsOf, type Objective } from './optimiser/gradients.ts';
export { type Average, Learner, type LearnerOptions } from './optimiser/learner.ts';
export * from './optimiser/schedule.ts';
export { makeUpdate, type Update, type UpdateOptions, type UpdateResult } from './optimiser/update.ts';
export type { ExplorationOptions } from './rollout/exploration.ts';
export {
  type Decoder,
  type Judged,
  type JudgeOptions,
  type RewardLossForm,
  rewardLoss,
  vaeDecoder,
} from './rollout/reward-loss.ts';
export * from './rollout/supervised-rollout.ts';
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
export { type Json, RunFolder, type RunFolderOptions } from './run/run-folder.ts';
export { type RunOptions, runStage, type Stage, type TrainStep } from './run/stage.ts';
export { type BestOfNOptions, bestOfN } from './stages/best-of-n.ts';
export { type DistilOptions, distil } from './stages/distil.ts';
export type { ScoreOptions } from './stages/distribution-matching.ts';
export * from './stages/ode.ts';
export { type PolicyOptions, policy } from './stages/policy.ts';
export * from './stages/reward.ts';
export { type SelfForcingOptions, selfForcing } from './stages/self-forcing.ts';
export * from './stages/teacher.ts';
export * from './stages/vae.ts';
