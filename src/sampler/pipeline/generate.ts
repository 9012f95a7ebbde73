import { setImmediate } from 'node:timers/promises';
import { type Tensor, tf } from '../../engine/tf.ts';
import { decodeStream } from '../../model/vae/index.ts';
import { createCrossAttnCache, disposeCrossAttnCache, wanForward } from '../../model/wan/index.ts';
import { random, toTensor } from '../../nn/index.ts';
import { guided } from '../guidance.ts';
import { dpmSolver, uniPC } from '../multistep.ts';
import { dpmSchedule, type GridOptions, type Schedule, uniPCSchedule } from '../schedule.ts';
import type { Sampler, SamplerOptions, Velocity } from '../solver.ts';
import { type LatentSize, latentSize, type VideoRequest, type WanModel } from './request.ts';

/** Wan's negative prompt for text to video, used where none is given (wan/configs/shared_config.py). */
export const defaultNegativePrompt: string =
  '色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，' +
  '丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，' +
  '静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走';

/** Wan's solvers. */
export type WanSolver = 'unipc' | 'dpm++';

const solvers: Readonly<Record<WanSolver, { sample: Sampler; grid: (options: GridOptions) => Schedule }>> = {
  unipc: { sample: uniPC, grid: uniPCSchedule },
  'dpm++': { sample: dpmSolver, grid: dpmSchedule },
};

/** How a bidirectional model generates; the defaults are those advised for Wan2.1-T2V-1.3B. */
export interface GenerateRequest extends VideoRequest, SamplerOptions {
  /** Default {@link defaultNegativePrompt}. */
  readonly negativePrompt?: string;
  /** Default 50. */
  readonly steps?: number;
  /** Default 6; 1 runs without the negative prompt. */
  readonly guidanceScale?: number;
  /** Default 8. */
  readonly shift?: number;
  /** Default unipc. */
  readonly solver?: WanSolver;
  /** Initial noise [1, F, H, W, C] in place of the seed's; it stays the caller's. */
  readonly noise?: Tensor;
}

/**
 * Generates a video with a bidirectional Wan transformer: guided denoising of all frames, whose steps `onStep` sees,
 * then pixels [1, f, H, W, 3] in [-1, 1], yielded latent by latent as they are decoded; they belong to the caller.
 * The seed's noise is `torch.randn(C, F, H, W)` on the CPU. Source: Wan2.1 wan/text2video.py.
 *
 * @throws RangeError if size, frames, steps or shift do not fit.
 * @example
 * for await (const frames of generate(model, { prompt: 'A cat runs.', seed: 1 })) await show(frames);
 */
export async function* generate(model: WanModel, request: GenerateRequest): AsyncGenerator<Tensor, void, void> {
  const latents = denoise(model, request, latentSize(model, request));
  try {
    yield* decodeStream(model.vae.weights, model.vae.config, latentFrames(latents));
  } finally {
    latents.dispose();
  }
}

function denoise(model: WanModel, request: GenerateRequest, size: LatentSize): Tensor {
  const { steps = 50, shift = 8, guidanceScale = 6, solver = 'unipc', seed = 0, onStep } = request;
  const { sample, grid } = solvers[solver];
  const schedule = grid({ steps, shift });
  const x = request.noise?.clone() ?? seededLatents(seed, size);
  const wanted = guidanceScale === 1 ? [] : [request.negativePrompt ?? defaultNegativePrompt];
  const fields = [request.prompt, ...wanted].map((text) => textField(model, text));
  try {
    const [conditional, unconditional = conditional] = fields.map(({ velocity }) => velocity);
    return sample(guided(conditional!, unconditional!, guidanceScale), x, schedule, { ...(onStep && { onStep }) });
  } finally {
    x.dispose();
    for (const { dispose } of fields) dispose();
  }
}

/** The velocity under a text, whose keys and values are computed once. */
function textField({ dit, text }: WanModel, caption: string): { velocity: Velocity; dispose: () => void } {
  const rows = text.encode([caption]);
  const context = createCrossAttnCache(dit.weights, dit.config, rows);
  rows.dispose();
  const velocity: Velocity = (x, t) => wanForward(dit.weights, dit.config, { x, t, context });
  return { velocity, dispose: () => disposeCrossAttnCache(context) };
}

function seededLatents(seed: number | bigint, { channels, frames, height, width }: LatentSize): Tensor {
  const drawn = random.torch(seed).normal([channels, frames, height, width]);
  return tf.tidy(() => tf.expandDims(tf.transpose(toTensor(drawn), [1, 2, 3, 0]), 0)); // [C,F,H,W] -> [1,F,H,W,C]
}

/** The frames of latents [1, F, H, W, C] one after the other. */
async function* latentFrames(latents: Tensor): AsyncGenerator<Tensor, void, void> {
  for (let start = 0; start < latents.shape[1]!; start++) {
    const piece = latents.slice([0, start], [-1, 1]); // [1, 1, H, W, C]
    try {
      yield piece;
    } finally {
      piece.dispose();
    }
    await setImmediate();
  }
}
