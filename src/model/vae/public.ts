/** `model.vae`: Wan2.1's causal video VAE, on whole clips or on pieces as they come. */
import { vae } from './codec.ts';

export type { VaeState as State } from './chunks.ts';
export {
  type DecodeOptions,
  decode,
  encode,
  encodePosterior,
  type Posterior,
  type VaeOptions as Options,
  vae as architecture,
} from './codec.ts';
export {
  latentShape,
  type VaeConfig as Config,
  type VaePreset as Preset,
  vaeConfig as config,
  vaePresets as presets,
  vaeStrides as strides,
} from './config.ts';
export { vaeShapes as shapes } from './layers.ts';
export { inflate } from './pictures.ts';
export {
  type DecodedPiece,
  decodeChunk,
  decodeStream,
  type EncodedPiece,
  encodeChunk,
  encodeStream,
  type Pieces,
} from './stream.ts';
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof vae.load = vae.load;
/** A net with fresh weights, drawn from a key. */
export const init: typeof vae.init = vae.init;
