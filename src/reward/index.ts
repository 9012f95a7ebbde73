export type { ChatServer } from './chat-server.ts';
export {
  type AestheticHeadConfig,
  type AestheticNets,
  type AestheticOptions,
  aestheticHead,
  aestheticReward,
  aestheticScore,
  type ClipScoreOptions,
  type ClipText,
  clipScore,
  type HeadActivation,
  loadAestheticHead,
} from './clip.ts';
export {
  batched,
  type CachedTextOptions,
  cachedText,
  frameSelect,
  measureScale,
  type ReferenceClips,
  type Scale,
  standardised,
  type WeightedPart,
  weighted,
} from './combine.ts';
export {
  createReward,
  type Judge,
  type JudgeInfo,
  type Reward,
  type RewardParts,
  type RewardText,
} from './contract.ts';
export {
  type ClipBatch,
  chooseFrames,
  clampFrames,
  type FrameChoice,
  type FrameClamp,
} from './frames.ts';
export {
  type ImageRewardFiles,
  type ImageRewardOptions,
  type ImageRewardSizes,
  type ImageRewardText,
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
export { openVideoAlign, type VideoAlignFiles, type VideoAlignParts, type VideoAlignSizes } from './videoalign-open.ts';
export {
  openVideoAlignPrompts,
  readVideoAlignTemplate,
  type VideoAlignPromptOptions,
  type VideoAlignPrompts,
  type VideoAlignText,
} from './videoalign-prompt.ts';
export {
  readVisionRewardQuestions,
  secondFrames,
  type VisionReward,
  type VisionRewardOptions,
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
