/** Walking a clip chunk by chunk: how long the chunks are, what is carried from one to the next, and what it needs. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { WeightView } from '../../nn/index.ts';
import { applyLayers, type LayerOptions, largeActivation } from './apply.ts';
import { type VaeConfig, vaeStrides } from './config.ts';
import { decoderLayers, type VaeLayer } from './layers.ts';

/** What one chunk leaves for the next: the ends of all causal operations' inputs. Free it with `tf.dispose(state)`. */
export type VaeState = Readonly<Record<string, Tensor>>;

/** One chunk's result. */
export interface ChunkResult {
  readonly output: Tensor;
  readonly state: VaeState;
}

/** What happens to the states around a chunk. */
export interface ChunkUse {
  /** Whether a chunk follows; else the new state stays empty. */
  readonly keep: boolean;
  /** Whether the given state is freed layer by layer, as it is used up: memory for one state in the place of two. */
  readonly consume: boolean;
}

/** Encoder or decoder as a function of one chunk. */
export type ChunkRun = (x: Tensor, state: VaeState | null, use: ChunkUse) => ChunkResult;

/** Binds layers and weights. */
export function chunkRun(layers: readonly VaeLayer[], weights: WeightView, options: LayerOptions = {}): ChunkRun {
  return (x, state, { keep, consume }) =>
    tf.tidy(() => {
      const next: Record<string, Tensor> | null = keep ? {} : null;
      const chunk = { first: state === null, past: state ?? {}, next, consume };
      return { output: applyLayers(layers, weights, x, chunk, options), state: next ?? {} };
    });
}

/**
 * Runs consecutive chunks of x [B,F,...] with the given numbers of frames and joins their outputs along time.
 * `from` is the state before the first chunk, `keep` asks for the one after the last.
 */
export function walk(
  x: Tensor,
  lengths: readonly number[],
  run: ChunkRun,
  { from = null, keep = false }: { from?: VaeState | null; keep?: boolean } = {},
): ChunkResult {
  let state = from;
  let start = 0;
  const outputs = lengths.map((length, i) => {
    const before = state;
    const use = { keep: keep || i < lengths.length - 1, consume: before !== from };
    const result = run(x.slice([0, start], [-1, length]), before, use);
    state = result.state;
    start += length;
    return result.output;
  });
  return { output: outputs.length === 1 ? outputs[0]! : tf.concat(outputs, 1), state: state ?? {} };
}

/** Latent frames of each chunk: `perChunk` of them, the last chunk what is left. */
export function chunkLengths(latents: number, perChunk: number): number[] {
  if (!(perChunk >= 1)) throw new RangeError(`latentsPerChunk is ${perChunk}; it must be a whole number from 1`);
  const size = Math.min(Math.floor(perChunk), latents);
  return Array.from({ length: Math.ceil(latents / size) }, (_, i) => Math.min(size, latents - i * size));
}

/** Pixel frames of each chunk of latents: one for the clip's first latent, `stride` for every other. */
export function pixelFrames(config: VaeConfig, latents: readonly number[]): number[] {
  const { time } = vaeStrides(config);
  return latents.map((count, i) => count * time - (i === 0 ? time - 1 : 0));
}

const chunkBytes = 256 * 2 ** 20;

/** As many latent frames as keep the largest activation (full resolution, widest of two levels) below 256 MiB. */
export function fittingLatents(config: VaeConfig, batch: number, height: number, width: number): number {
  const channels = config.dim * Math.max(...config.dim_mult.slice(0, 2));
  const area = (height * width) / (config.patch_size ?? 1) ** 2;
  const bytes = 4 * batch * vaeStrides(config).time * area * channels;
  return Math.max(1, Math.floor(chunkBytes / bytes));
}

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
  const before = (config.kernel_frames ?? 3) - 1;
  let area = (height / space) * (width / space);
  let frames = 1;
  let [state, widest, isLarge] = [0, 0, false];
  for (const layer of decoderLayers(config)) {
    if (frames * area * layer.in >= largeActivation) frames = 1;
    state += before * area * rememberedChannels(layer);
    if (layer.kind === 'upsample3d') frames *= 2;
    const isUpsampling = layer.kind.startsWith('upsample');
    if (isUpsampling) area *= 4;
    const seen = (isUpsampling ? frames : frames + before) * area * Math.max(layer.in, layer.out);
    widest = Math.max(widest, seen);
    isLarge ||= (frames + before) * area * layer.out >= largeActivation;
  }
  // where layers are computed one by one, each frees its old state; else the old and the new one meet
  return { state: 4 * state * (isLarge ? 1 : 2), activations: 4 * widest * alive };
}

/** Channels of which a layer keeps the last frames. */
function rememberedChannels({ kind, in: from, out: to }: VaeLayer): number {
  if (kind === 'residual') return from + to;
  return kind === 'conv' || kind === 'head' || kind === 'upsample3d' ? from : 0;
}
