export {
  boundedAttention,
  causalBlocks,
  causalVisibility,
  queriesAtOnce,
  teacherForcingVisibility,
  visibilityMask,
} from './attention.ts';

export {
  createCache,
  disposeCache,
  type KvCache,
  keepCache,
  planCache,
  wanCachedForward,
} from './cached.ts';
export { wanCausalForward, wanTeacherForcing } from './causal.ts';
export { advisedSampling, type WanConfig, type WanPreset, wanConfig, wanPresets } from './config.ts';
export { tokenGrid } from './embedding.ts';
export { type WanInput, wan, wanForward } from './pass.ts';
export {
  ropeTables,
  ropeWidths,
  sinusoid,
  timestepEmbedding,
} from './positions.ts';
export { type SwappedWan, swappedWan } from './swapped.ts';
export { type CrossAttnCache, createCrossAttnCache, disposeCrossAttnCache } from './text.ts';
export { diffusersName, wanShapes } from './weights.ts';
