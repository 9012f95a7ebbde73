export { decodeMemory } from './chunks.ts';
export { decode, encode, encodePosterior, type Posterior, vae } from './codec.ts';
export { latentShape, type VaeConfig, vaeConfig, vaePresets, vaeStrides } from './config.ts';
export { inflate } from './inflate.ts';
export { decoderLayers, encoderLayers, vaeShapes } from './layers.ts';
export {
  decodeChunk,
  decodeStream,
  encodeChunk,
  encodeStream,
} from './stream.ts';
export { vaeDiffusersName } from './weights.ts';
