export { type Qwen2VlInput, qwen2VlRewards, qwen2VlStates, qwen2vl } from './forward.ts';
export {
  patchify,
  resizeVideo,
  type SmartFramesOptions,
  type SmartResizeOptions,
  smartFrameCount,
  smartResize,
  spreadFrames,
  type VideoPatches,
} from './frames.ts';
export { type Qwen2VlTokens, qwen2VlLanguage } from './language.ts';
export {
  joinedEntries,
  type LoraConfig,
  mergedLora,
  type Qwen2VlParts,
  qwen2VlName,
  qwen2VlOfficialName,
} from './lora.ts';
export {
  type MropePositions,
  mropePositions,
  type PatchGrid,
  patchCount,
  patchPlaces,
  sequentialPositions,
} from './positions.ts';
export { qwen2VlVision } from './vision.ts';
export { type Qwen2VlConfig, type Qwen2VlVisionConfig, qwen2VlPresets, qwen2VlRewardShapes } from './weights.ts';
