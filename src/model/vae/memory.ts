/** What decoding needs while it runs, from the layers alone. */
import { largeActivation } from './apply.ts';
import { type VaeConfig, vaeStrides } from './config.ts';
import { decoderLayers, type VaeLayer } from './layers.ts';

/** Bytes of float32 for decoding a clip latent by latent. */
export interface DecodeMemory {
  /** Ends of all causal operations' inputs, carried from piece to piece. */
  readonly state: number;
  /** Activations of one piece. */
  readonly activations: number;
}

/** Tensors of the widest layer's size that are alive at once, measured on the onnx engine. */
const alive = { together: 11, layerByLayer: 6 };

/** Bytes that decoding videos of a size needs, one latent frame after the other. */
export function decodeMemory(config: VaeConfig, { height, width }: { height: number; width: number }): DecodeMemory {
  const { space } = vaeStrides(config);
  let area = (height / space) * (width / space);
  let frames = 1;
  let [state, widest] = [0, 0];
  for (const layer of decoderLayers(config)) {
    state += 2 * area * rememberedChannels(layer);
    if (layer.kind === 'upsample3d') frames *= 2;
    if (layer.kind.startsWith('upsample')) area *= 4;
    widest = Math.max(widest, frames * area * Math.max(layer.in, layer.out));
  }
  return {
    state: 4 * state,
    activations: 4 * widest * (widest < largeActivation ? alive.together : alive.layerByLayer),
  };
}

/** Channels of which a layer keeps the last two frames. */
function rememberedChannels({ kind, in: from, out: to }: VaeLayer): number {
  if (kind === 'residual') return from + to;
  return kind === 'conv' || kind === 'head' || kind === 'upsample3d' ? from : 0;
}
