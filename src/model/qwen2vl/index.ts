export { type Qwen2VlInput, qwen2VlRewards, qwen2vl } from './forward.ts';
export {
  patchify,
  resizeVideo,
  smartFrameCount,
  smartResize,
  spreadFrames,
} from './frames.ts';

export {
  joinedEntries,
  type LoraConfig,
  mergedLora,
  qwen2VlOfficialName,
} from './lora.ts';
export {
  mropePositions,
  type PatchGrid,
  patchCount,
  patchPlaces,
} from './positions.ts';

export { type Qwen2VlConfig, qwen2VlPresets, qwen2VlRewardShapes } from './weights.ts';
