export { joinedEntries, type Qwen2VlParts } from './adapter.ts';
export { type Qwen2VlConfig, type Qwen2VlVisionConfig, qwen2VlPresets } from './config.ts';
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
export { type PatchGrid, patchCount, patchPlaces } from './grid.ts';
export { type Qwen2VlTokens, qwen2VlLanguage } from './language.ts';
export {
  type LoraConfig,
  mergedLora,
  qwen2VlName,
  qwen2VlOfficialName,
  qwen2vl,
} from './load.ts';
export { type MropePositions, mropePositions, sequentialPositions } from './positions.ts';
export { type Qwen2VlInput, qwen2VlRewards, qwen2VlStates } from './reward-head.ts';
export { qwen2VlVision } from './vision.ts';
export { qwen2VlRewardShapes } from './weights.ts';
