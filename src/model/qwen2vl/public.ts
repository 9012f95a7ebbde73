/** `model.qwen2vl`: Qwen2-VL with a reward head, as VideoAlign uses it. */
import { qwen2vl } from './qwen2vl.ts';

export { patchify, resizeVideo, smartFrameCount, smartResize, type VideoPatches } from './frames.ts';
export { joinedEntries, type LoraConfig, mergedLora, type Qwen2VlParts as Parts } from './lora.ts';
export type { PatchGrid } from './positions.ts';
export { type Qwen2VlInput as Input, qwen2VlRewards as rewards, qwen2vl as architecture } from './qwen2vl.ts';
export {
  type Qwen2VlConfig as Config,
  qwen2VlPresets as presets,
  qwen2VlRewardShapes as shapes,
} from './weights.ts';
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof qwen2vl.load = qwen2vl.load;
