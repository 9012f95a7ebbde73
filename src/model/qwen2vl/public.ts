/** `model.qwen2vl`: Qwen2-VL with a reward head, as VideoAlign uses it. */
import { qwen2vl } from './forward.ts';

export { type Qwen2VlInput as Input, qwen2VlRewards as rewards, qwen2VlStates as states } from './forward.ts';
export { patchify, resizeVideo, smartFrameCount, smartResize, type VideoPatches } from './frames.ts';
export { joinedEntries, type LoraConfig, mergedLora, type Qwen2VlParts as Parts } from './lora.ts';
export { type MropePositions, mropePositions, type PatchGrid } from './positions.ts';
export type { Qwen2VlConfig as Config } from './weights.ts';

/** Configurations by their published names. */
export const presets: typeof qwen2vl.presets = qwen2vl.presets;
/** Shape of every weight by its official name. */
export const shapes: typeof qwen2vl.shapes = qwen2vl.shapes;
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof qwen2vl.load = qwen2vl.load;
/** The record itself, for what takes any architecture. */
export { qwen2vl as architecture };
