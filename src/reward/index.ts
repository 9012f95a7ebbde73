export * from '../world/digits/judge/index.ts';
export { motionReward } from '../world/digits/judge/motion.ts';
export {
  type AestheticOptions,
  type AestheticWeights,
  aestheticReward,
  aestheticScore,
  type HeadActivation,
  loadAestheticHead,
} from './aesthetic.ts';
export { batched, type CachedTextOptions, cachedText } from './batching.ts';
export type { ChatServer } from './chat-server.ts';
export { type ClipScoreOptions, clipScore } from './clip-score.ts';
export { measureScale, type Scale, standardised, type WeightedPart, weighted } from './combine.ts';
export { createReward, type Reward, type RewardInfo, type RewardParts } from './contract.ts';
export { clampFrames, type FrameClamp } from './frame-clamp.ts';
export { type FrameChoice, type FrameSelectOptions, frameIndex, frameSelect } from './frame-select.ts';
export {
  type ImageRewardFiles,
  type ImageRewardOptions,
  imageReward,
  openImageReward,
  reflLoss,
  type TruncatedPrompt,
} from './imagereward.ts';
export * from './lens/index.ts';
export * from './preference/index.ts';
export {
  type VideoAlignDimension,
  type VideoAlignOptions,
  type VideoAlignReward,
  type VideoAlignScale,
  videoAlign,
  videoAlignScale,
} from './videoalign.ts';
export { openVideoAlign, type VideoAlignFiles, type VideoAlignParts } from './videoalign-open.ts';
export {
  openVideoAlignPrompts,
  readVideoAlignTemplate,
  type VideoAlignPromptOptions,
  type VideoAlignPrompts,
} from './videoalign-prompt.ts';
export {
  type ExternalReward,
  type ExternalRewardInfo,
  readVisionRewardQuestions,
  secondFrames,
  type VisionRewardOptions,
  type VisionRewardResult,
  visionReward,
} from './visionreward.ts';
export {
  type ChecklistItem,
  checklistScore,
  type ImageChecklist,
  imageChecklistScore,
  visionRewardImage,
  visionRewardVideo,
} from './visionreward-checklist.ts';
