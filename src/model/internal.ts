/** What the library's other layers use of the model layer: everything by its full name. */
export { amt, amtMidpoint, amtStride } from './amt/amt.ts';
export { type AmtConfig, amtPresets, amtShapes } from './amt/weights.ts';
export {
  type ImageRewardConfig,
  imageReward,
  imageRewardForward,
  imageRewardPresets,
  imageRewardShapes,
} from './blip/blip.ts';
export { openCheckpoint } from './checkpoint/checkpoint.ts';
export { clip, clipImageFeatures, clipLogits, clipTextFeatures } from './clip/clip.ts';
export { type ClipConfig, clipPresets, clipShapes } from './clip/weights.ts';
export { type DinoConfig, dino, dinoFeatures, dinoPresets, dinoShapes, dinoTokens } from './dino/dino.ts';
export { architectures, inspectWeights } from './inspect.ts';
export { affine, joinHeads, selfAttention, splitHeads, unitRows } from './layers/layers.ts';
export { type MusiqConfig, musiq, musiqPresets, musiqScore, musiqShapes } from './musiq/musiq.ts';
export { type ImageTransform, imageTransforms, preprocess, resample, roundHalfEven } from './preprocess/preprocess.ts';
export { patchify, resizeVideo, smartFrameCount, smartResize, spreadFrames } from './qwen2vl/frames.ts';
export { joinedEntries, type LoraConfig, mergedLora } from './qwen2vl/lora.ts';
export { type PatchGrid, patchCount } from './qwen2vl/positions.ts';
export { type Qwen2VlInput, qwen2VlRewards, qwen2vl } from './qwen2vl/qwen2vl.ts';
export { type Qwen2VlConfig, qwen2VlPresets, qwen2VlRewardShapes } from './qwen2vl/weights.ts';
export { raft, raftEstimator, raftForward } from './raft/raft.ts';
export { type RaftConfig, raftPresets, raftShapes } from './raft/weights.ts';
export { cleanPrompt } from './text/clean-text.ts';
export { type TableTextEncoder, type TextEncoder, tableTextEncoder } from './text/table.ts';
export { type Umt5Config, umt5, umt5Encode, umt5Presets, umt5Shapes } from './text/umt5.ts';
export { umt5EncodeFrom } from './text/umt5-file.ts';
export {
  type ClipTokenizer,
  openClipTokenizer,
  openTokenizer,
  openWordPiece,
  type PromptTokenizer,
} from './tokenizer/tokenizer.ts';
export { decodeMemory } from './vae/chunks.ts';
export { decode, encode, encodePosterior, type Posterior, vae } from './vae/codec.ts';
export { latentShape, type VaeConfig, vaeConfig, vaePresets, vaeStrides } from './vae/config.ts';
export { decoderLayers, encoderLayers, vaeDiffusersName, vaeShapes } from './vae/layers.ts';
export { decodeChunk, decodeStream, encodeChunk, encodeStream } from './vae/stream.ts';
export {
  type ViclipConfig,
  viclip,
  viclipPresets,
  viclipShapes,
  viclipTextFeatures,
  viclipVideoFeatures,
} from './viclip/viclip.ts';
export {
  boundedAttention,
  causalBlocks,
  causalVisibility,
  queriesAtOnce,
  teacherForcingVisibility,
  visibilityMask,
} from './wan/attention.ts';
export { createCache, disposeCache, type KvCache, planCache, wanCachedForward } from './wan/cached.ts';
export { wanCausalForward, wanTeacherForcing } from './wan/causal.ts';
export { advisedSampling, type WanConfig, wanConfig, wanPresets } from './wan/config.ts';
export { tokenGrid } from './wan/embedding.ts';
export { type WanInput, wan, wanForward } from './wan/pass.ts';
export { ropeTables, ropeWidths, sinusoid, timestepEmbedding } from './wan/positions.ts';
export { swappedWan } from './wan/swapped.ts';
export { type CrossAttnCache, createCrossAttnCache, disposeCrossAttnCache } from './wan/text.ts';
export { diffusersName, wanShapes } from './wan/weights.ts';
export {
  describeWan,
  type OpenedWan,
  type OpenWanOptions,
  openWan,
} from './wan-folder/open-wan.ts';
export { writeRandomWan } from './wan-folder/random-wan.ts';
export { type BlockPlace, openWanTransformer } from './wan-folder/transformer.ts';
