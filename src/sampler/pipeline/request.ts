import type { Tensor } from '../../engine/tf.ts';
import type { BlockPlace, Umt5Config } from '../../model/internal.ts';
import { latentShape, type VaeConfig, vaeStrides } from '../../model/vae/index.ts';
import type { WanConfig } from '../../model/wan/index.ts';

import type { Weights, WeightView } from '../../nn/index.ts';

/** Turns captions into context rows [B, n, text_dim]; a `PromptEncoder` and the encoder of `openWan` are some. */
export interface ContextEncoder {
  readonly config?: Umt5Config;
  encode(captions: readonly string[]): Tensor | Promise<Tensor>;
}

/** The three networks of a Wan pipeline, as `openWan` returns them; the weights stay the caller's. */
export interface WanModel {
  /** Where the weights of the blocks are (default `resident`). */
  readonly blocks?: BlockPlace;
  readonly dit: { readonly weights: WeightView; readonly config: WanConfig };
  readonly vae: { readonly weights: Weights; readonly config: VaeConfig };
  readonly text: ContextEncoder;
}

/** What is taken where a request does not say: the values advised for Wan2.1-T2V-1.3B (Wan2.1 README.md). */
export const wanDefaults: {
  readonly size: readonly [width: number, height: number];
  readonly frames: number;
  readonly steps: number;
  readonly guidanceScale: number;
  readonly shift: number;
} = { size: [832, 480], frames: 81, steps: 50, guidanceScale: 6, shift: 8 };

/** What to generate. */
export interface VideoRequest {
  readonly prompt: string;
  /** Of PyTorch's CPU generator (default 0). */
  readonly seed?: number | bigint;
  /** Pixels, [width, height] (default [832, 480], as Wan2.1-T2V-1.3B). */
  readonly size?: readonly [width: number, height: number];
  /** Pixel frames, 1 + a multiple of the temporal stride (default 81). */
  readonly frames?: number;
  /** Bytes that the process may use; null does not look. Default: what the machine has left. */
  readonly memoryLimit?: number | null;
  /** Stops after the step that runs, with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Shape [F, C, H, W] of a request's latents. */
export interface LatentSize {
  readonly frames: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** The configurations that decide about sizes. */
export interface WanConfigs {
  readonly dit: { readonly config: WanConfig };
  readonly vae: { readonly config: VaeConfig };
}

/** Token frames that the rotary tables of the original reach. */
const maxTokenFrames = 1024;

/**
 * Size of the latents of a request.
 *
 * @throws RangeError if the sides are no multiples of stride times patch, or the frames do not fit the strides or
 * the rotary tables.
 */
export function latentSize({ dit, vae }: WanConfigs, request: VideoRequest): LatentSize {
  const { size: [width, height] = wanDefaults.size, frames = wanDefaults.frames } = request;
  const { time, space } = vaeStrides(vae.config);
  const [patchTime, ...patch] = dit.config.patch_size;
  checkSide('width', width, space * patch[1]);
  checkSide('height', height, space * patch[0]);
  const latents = latentShape(vae.config, { frames, height, width });
  const tokenFrames = latents.frames / patchTime;
  if (!Number.isInteger(frames) || frames < 1 || (frames - 1) % time !== 0 || !Number.isInteger(tokenFrames)) {
    throw new RangeError(`frames: wanted 1 + a multiple of ${time}, received ${frames}`);
  }
  if (tokenFrames > maxTokenFrames) {
    throw new RangeError(`frames: wanted at most ${1 + (maxTokenFrames * patchTime - 1) * time}, received ${frames}`);
  }
  return latents;
}

function checkSide(name: string, value: number, multiple: number): void {
  if (Number.isInteger(value) && value >= multiple && value % multiple === 0) return;
  throw new RangeError(`size: wanted a ${name} that is a multiple of ${multiple}, received ${value}`);
}

/**
 * As {@link latentSize}, for a causal student, whose latent frames must fall into its blocks.
 *
 * @throws RangeError as there, and with the nearest numbers of frames where a block would stay incomplete.
 */
export function causalLatentSize(model: WanConfigs, request: VideoRequest): LatentSize {
  const size = latentSize(model, request);
  const { num_frame_per_block, independent_first_frame, patch_size } = model.dit.config;
  const block = num_frame_per_block * patch_size[0];
  const lead = independent_first_frame ? 1 : 0;
  const over = (size.frames - lead) % block;
  if (over === 0) return size;
  const { time } = vaeStrides(model.vae.config);
  const near = [size.frames - over, size.frames - over + block].filter((frames) => frames > 0);
  throw new RangeError(
    `frames: the ${size.frames} latent frames do not fall into blocks of ${block}${lead ? ' after the first' : ''}; ` +
      `ask for ${near.map((frames) => 1 + (frames - 1) * time).join(' or ')} frames`,
  );
}
