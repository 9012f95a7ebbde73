/** `model`: networks under their published names, a namespace each, and the files they come from. */
export * as amt from './amt/public.ts';
export * as imageReward from './blip/public.ts';
export { type Checkpoint, openCheckpoint } from './checkpoint/index.ts';
export * as clip from './clip/public.ts';
export * as dino from './dino/public.ts';
export {
  architectures,
  type InspectOptions,
  inspectWeights,
  type WeightsFit,
  type WeightsInspection,
} from './inspect.ts';
export * as musiq from './musiq/public.ts';
export * as images from './preprocess/public.ts';
export * as qwen2vl from './qwen2vl/public.ts';
export * as raft from './raft/public.ts';
export * as text from './text/public.ts';
export * as vae from './vae/public.ts';
export * as viclip from './viclip/public.ts';
export * as wan from './wan/public.ts';
export {
  type BlockPlace,
  describeWan,
  type OpenedWan,
  type OpenWanOptions,
  openWan,
  type RandomWanOptions,
  type WanDescription,
  writeRandomWan,
} from './wan-folder/index.ts';
