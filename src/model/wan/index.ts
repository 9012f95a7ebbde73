export type { Attend, KeyValue, LayerTap } from './block.ts';
export { boundedAttention, queriesAtOnce } from './bounded-attention.ts';
export { type CachePlan, createCache, disposeCache, type KvCache, keepCache, planCache } from './cache.ts';
export { type WanCachedOptions, type WanCachedResult, wanCachedForward } from './cached.ts';
export { type WanCausalOptions, type WanTeacherForcingInput, wanCausalForward, wanTeacherForcing } from './causal.ts';
export { type WanConfig, type WanPreset, wanConfig, wanPresets } from './config.ts';
export { type WanForwardOptions, wanForward } from './forward.ts';
export { diffusersName, officialNames, wan } from './names.ts';
export type { WanInput } from './pass.ts';
export { tokenGrid } from './patches.ts';
export { type Rope, type RopeTables, ropeOf, ropeTables, ropeWidths, type TokenGrid } from './rope.ts';
export { wanShapes } from './shapes.ts';
export { type BlockSource, type SwappedWan, swappedWan } from './swapped.ts';
export { type CrossAttnCache, createCrossAttnCache, disposeCrossAttnCache, type WanContext } from './text-cache.ts';
export { sinusoid, type Timesteps, timestepEmbedding } from './timestep.ts';
export {
  causalBlocks,
  causalVisibility,
  type Range,
  teacherForcingVisibility,
  type Visibility,
  visibilityMask,
} from './visibility.ts';
