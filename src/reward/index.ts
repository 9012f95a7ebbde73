/** Judges of generated video: rewards of published networks, what is made of rewards, and looks through them. */
export type { ChatServer } from './chat-server.ts';
export {
  type AestheticNets,
  aestheticReward,
  type ClampOptions,
  type ClipText,
  clipScore,
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
export type { ClipBatch, FrameChoice, FrameClamp } from './frames.ts';
export {
  type ImageRewardFiles,
  type ImageRewardOptions,
  type ImageRewardText,
  imageReward,
  openImageReward,
  type TruncatedPrompt,
} from './imagereward.ts';
export { type FrameCurve, type LensOptions, lens, type RewardLens } from './lens/lens.ts';
export type { OcclusionMap, OcclusionOptions } from './lens/occlusion.ts';
export { type Climb, type ClimbOptions, climb, frameGradient, type View } from './lens/view.ts';
export {
  accuracyWithTies,
  bradleyTerry,
  bradleyTerryTies,
  type JudgedPair,
  pairwiseAccuracy,
  spearman,
} from './preference.ts';
export { type VideoAlignOptions, type VideoAlignReward, type VideoAlignScale, videoAlign } from './videoalign.ts';
export { openVideoAlign, type VideoAlignFiles, type VideoAlignParts } from './videoalign-open.ts';
export {
  openVideoAlignPrompts,
  readVideoAlignTemplate,
  type VideoAlignPromptOptions,
  type VideoAlignPrompts,
  type VideoAlignText,
} from './videoalign-prompt.ts';
export {
  readVisionRewardQuestions,
  type VisionReward,
  type VisionRewardOptions,
  visionReward,
} from './visionreward.ts';
