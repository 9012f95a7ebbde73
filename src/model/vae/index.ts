export type { LayerTap } from './apply.ts';
export type { VaeState } from './chunks.ts';
export { type DecodeOptions, decode, encode, encodePosterior, type Posterior, type VaeOptions } from './codec.ts';
export { latentShape, type VaeConfig, type VaePreset, vaeConfig, vaePresets, vaeStrides } from './config.ts';
export { decoderLayers, encoderLayers, type VaeLayer, type VaeLayerKind } from './layers.ts';
export { type DecodeMemory, decodeMemory } from './memory.ts';
export { vae, vaeDiffusersName, vaeOfficialNames } from './names.ts';
export { vaeShapes } from './shapes.ts';
export {
  type DecodedPiece,
  decodeChunk,
  decodeStream,
  type EncodedPiece,
  encodeChunk,
  encodeStream,
  type Pieces,
} from './stream.ts';
