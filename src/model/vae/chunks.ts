/** Walking a clip chunk by chunk: how long the chunks are, and what is carried from one to the next. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { WeightView } from '../../nn/index.ts';
import { applyLayers, type LayerOptions } from './apply.ts';
import { type VaeConfig, vaeStrides } from './config.ts';
import type { VaeLayer } from './layers.ts';

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
  const bytes = 4 * batch * vaeStrides(config).time * height * width * channels;
  return Math.max(1, Math.floor(chunkBytes / bytes));
}
