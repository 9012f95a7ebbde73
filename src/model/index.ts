/** `model`: networks under their published names, a namespace each, and the files they come from. */
export * as imageReward from './blip/public.ts';
export { type Checkpoint, openCheckpoint } from './checkpoint/checkpoint.ts';
export * as clip from './clip/public.ts';
export * as dino from './dino/public.ts';
export { type InspectOptions, inspectWeights, type WeightsFit, type WeightsInspection } from './inspect.ts';
export { type LoadLoraOptions, loadLora } from './lora/load-lora.ts';
export { type LoraNaming, type SaveLoraOptions, saveLora } from './lora/save-lora.ts';
export * as images from './preprocess/public.ts';
export * as qwen2vl from './qwen2vl/public.ts';
export * as raft from './raft/public.ts';
export * as text from './text/public.ts';
export * as vae from './vae/public.ts';
export * as wan from './wan/public.ts';
export {
  describeWan,
  type OpenedWan,
  type OpenWanOptions,
  openWan,
  type WanDescription,
  type WanLora,
} from './wan-folder/open-wan.ts';
export { type RandomWanOptions, writeRandomWan } from './wan-folder/random-wan.ts';
export type { BlockPlace } from './wan-folder/transformer.ts';
