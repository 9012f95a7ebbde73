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
} from './codec.ts';
export {
  latentShape,
  type VaeConfig as Config,
  type VaePreset as Preset,
  vaeConfig as config,
  vaeStrides as strides,
} from './config.ts';
export { inflate } from './inflate.ts';
export {
  type DecodedPiece,
  decodeChunk,
  decodeStream,
  type EncodedPiece,
  encodeChunk,
  encodeStream,
  type Pieces,
} from './stream.ts';

/** Configurations by their published names. */
export const presets: typeof vae.presets = vae.presets;
/** Shape of every weight by its official name. */
export const shapes: typeof vae.shapes = vae.shapes;
/** A net from the tensors of a checkpoint in any published naming. */
export const load: typeof vae.load = vae.load;
/** A net with fresh weights, drawn from a key. */
export const init: typeof vae.init = vae.init;
/** The record itself, for what takes any architecture. */
export { vae as architecture };
