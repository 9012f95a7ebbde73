export {
  boundedAttention,
  causalBlocks,
  causalVisibility,
  queriesAtOnce,
  type Range,
  teacherForcingVisibility,
  type Visibility,
  visibilityMask,
} from './attention.ts';
export type { Attend, KeyValue } from './block.ts';
export {
  type CachePlan,
  createCache,
  disposeCache,
  type KvCache,
  keepCache,
  planCache,
  type WanCachedOptions,
  type WanCachedResult,
  wanCachedForward,
} from './cached.ts';
export { type WanCausalOptions, type WanTeacherForcingInput, wanCausalForward, wanTeacherForcing } from './causal.ts';
export { type WanConfig, type WanPreset, wanConfig, wanPresets } from './config.ts';
export { tokenGrid } from './embedding.ts';
export { type WanForwardOptions, type WanInput, wan, wanForward } from './pass.ts';
export {
  type Rope,
  type RopeTables,
  ropeOf,
  ropeTables,
  ropeWidths,
  sinusoid,
  type Timesteps,
  type TokenGrid,
  timestepEmbedding,
} from './positions.ts';
export { type BlockSource, type SwappedWan, swappedWan } from './swapped.ts';
export { type CrossAttnCache, createCrossAttnCache, disposeCrossAttnCache, type WanContext } from './text.ts';
export { diffusersName, wanShapes } from './weights.ts';
