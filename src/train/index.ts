export * as adamw from './adamw.ts';
export {
  CheckpointError,
  type CheckpointTensors,
  checkpointSteps,
  type Manifest,
  newestCheckpoint,
  readCheckpointFile,
  verifyCheckpoint,
  writeCheckpoint,
} from './checkpoint.ts';
export { type Clip, clipByGlobalNorm, globalNorm, measureClip } from './clip.ts';
export * from './dmd.ts';
export * as ema from './ema.ts';
export type { ExplorationOptions } from './exploration.ts';
export * from './flow-matching.ts';
export { type Gradients, gradientsOf, type Objective } from './gradients.ts';
export type { EncodeText, Forward, LatentBatch, Network, Source } from './ingredients.ts';
export { type Decoder, type Judged, type JudgeOptions, type RewardLossForm, rewardLoss, vaeDecoder } from './judge.ts';
export { type Average, Learner, type LearnerOptions } from './learner.ts';
export * from './ode-loss.ts';
export { groupAdvantages, type PolicyLoss, policyLoss, stepDivergence, stepLogDensity } from './policy.ts';
export { type Json, RunFolder, type RunFolderOptions } from './run-folder.ts';
export * from './schedule.ts';
export { externalScorer, rewardScorer, type Scorer } from './scorer.ts';
export type { ScoreOptions } from './scores.ts';
export { type RunOptions, runStage, type Stage, type TrainStep } from './stage.ts';
export { type BestOfNOptions, bestOfN } from './stages/best-of-n.ts';
export * from './stages/classifier.ts';
export { type DistilOptions, distil } from './stages/distil.ts';
export * from './stages/ode.ts';
export { type PolicyOptions, policy } from './stages/policy.ts';
export * from './stages/preference.ts';
export * from './stages/reward.ts';
export { type SelfForcingOptions, selfForcing } from './stages/self-forcing.ts';
export * from './stages/teacher.ts';
export * from './stages/vae.ts';
export * from './supervised-rollout.ts';
export { makeUpdate, type Update, type UpdateOptions, type UpdateResult } from './update.ts';
