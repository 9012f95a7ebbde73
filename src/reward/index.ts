/** Judges of generated video: rewards of published networks, what is made of rewards, and looks through them. */
export type * from './agreement.ts';
export {
  accuracyByMargin,
  accuracyWithTies,
  calibration,
  kendall,
  pairwiseAccuracy,
  spearman,
} from './agreement.ts';
export type { ChatServer } from './chat-server.ts';
export type * from './clip.ts';
export { aestheticReward, clipScore, loadAestheticHead } from './clip.ts';
export type * from './combine.ts';
export { batched, cachedText, frameSelect, measureScale, standardised, weighted } from './combine.ts';
export {
  createReward,
  type Judge,
  type JudgeInfo,
  type Reward,
  type RewardParts,
  type RewardText,
} from './contract.ts';
export type { ClipBatch, FrameChoice, FrameClamp } from './frames.ts';
export type * from './imagereward.ts';
export { imageReward, openImageReward } from './imagereward.ts';
export { type FrameCurve, type LensOptions, lens, type RewardLens } from './lens/lens.ts';
export type { OcclusionMap, OcclusionOptions } from './lens/occlusion.ts';
export { type Climb, type ClimbOptions, climb, frameGradient, type View } from './lens/view.ts';
export { bradleyTerry, bradleyTerryTies, rankingLoss } from './preference.ts';
export { type VideoAlignOptions, type VideoAlignReward, type VideoAlignScale, videoAlign } from './videoalign.ts';
export { openVideoAlign, type VideoAlignFiles, type VideoAlignParts } from './videoalign-open.ts';
export type * from './videoalign-prompt.ts';
export { openVideoAlignPrompts, readVideoAlignTemplate } from './videoalign-prompt.ts';
export {
  readVisionRewardQuestions,
  type VisionReward,
  type VisionRewardOptions,
  visionReward,
} from './visionreward.ts';
