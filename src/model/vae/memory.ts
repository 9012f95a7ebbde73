/** What decoding needs while it runs, from the layers alone. */
import { largeActivation } from './apply.ts';
import { type VaeConfig, vaeStrides } from './config.ts';
import { decoderLayers, type VaeLayer } from './layers.ts';

/** Bytes of float32 for decoding a clip latent by latent. */
export interface DecodeMemory {
  /** Ends of all causal operations' inputs, carried from piece to piece; small ones twice, before and after a piece. */
  readonly state: number;
  /** Activations of one piece. */
  readonly activations: number;
}

/**
 * Tensors of the widest convolution's input that are alive at once: measured on the onnx engine, within a tenth at
 * 208x120, 416x240 and 832x480.
 */
const alive = 10;

/** Bytes that decoding videos of a size needs, one latent frame after the other. */
export function decodeMemory(config: VaeConfig, { height, width }: { height: number; width: number }): DecodeMemory {
  const { space } = vaeStrides(config);
  let area = (height / space) * (width / space);
  let frames = 1;
  let [state, widest, isLarge] = [0, 0, false];
  for (const layer of decoderLayers(config)) {
    if (frames * area * layer.in >= largeActivation) frames = 1;
    state += 2 * area * rememberedChannels(layer);
    if (layer.kind === 'upsample3d') frames *= 2;
    const isUpsampling = layer.kind.startsWith('upsample');
    if (isUpsampling) area *= 4;
    const seen = (isUpsampling ? frames : frames + 2) * area * Math.max(layer.in, layer.out);
    widest = Math.max(widest, seen);
    isLarge ||= (frames + 2) * area * layer.out >= largeActivation;
  }
  // where layers are computed one by one, each frees its old state; else the old and the new one meet
  return { state: 4 * state * (isLarge ? 1 : 2), activations: 4 * widest * alive };
}

/** Channels of which a layer keeps the last two frames. */
function rememberedChannels({ kind, in: from, out: to }: VaeLayer): number {
  if (kind === 'residual') return from + to;
  return kind === 'conv' || kind === 'head' || kind === 'upsample3d' ? from : 0;
}
