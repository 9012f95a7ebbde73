export type { CheckpointEntries } from '../nn/index.ts';
export * as amt from './amt/index.ts';
export * as blip from './blip/index.ts';
export { type Checkpoint, openCheckpoint } from './checkpoint.ts';
export * as clip from './clip/index.ts';
export * as dino from './dino/index.ts';
export {
  architectures,
  type InspectOptions,
  inspectWeights,
  type WeightsFit,
  type WeightsInspection,
} from './inspect.ts';
export * as musiq from './musiq/index.ts';
export * as images from './preprocess/index.ts';
export * as qwen2vl from './qwen2vl/index.ts';
export * as raft from './raft/index.ts';
export * from './text/index.ts';
export * as vae from './vae/index.ts';
export * as viclip from './viclip/index.ts';
export type { ModuleTap } from './vit/index.ts';
export * from './wan/index.ts';
export * from './wan-folder/index.ts';
