export { type DecodeMemory, decodeMemory, type VaeState } from './chunks.ts';
export { type DecodeOptions, decode, encode, encodePosterior, type Posterior, type VaeOptions, vae } from './codec.ts';
export { latentShape, type VaeConfig, type VaePreset, vaeConfig, vaePresets, vaeStrides } from './config.ts';
export { decoderLayers, encoderLayers, type VaeLayer, type VaeLayerKind, vaeShapes } from './layers.ts';
export {
  type DecodedPiece,
  decodeChunk,
  decodeStream,
  type EncodedPiece,
  encodeChunk,
  encodeStream,
  type Pieces,
} from './stream.ts';
export { vaeDiffusersName, vaeOfficialNames } from './weights.ts';
