import { setImmediate } from 'node:timers/promises';
import { type Tensor, tf } from '../../engine/tf.ts';
import { decode, decodeStream } from '../../model/vae/index.ts';
import { createCrossAttnCache, disposeCrossAttnCache, wanForward } from '../../model/wan/index.ts';
import { random, toTensor } from '../../nn/index.ts';
import { guided } from '../ode/guidance.ts';
import { dpmSolver, uniPC } from '../ode/multistep.ts';
import { paced } from '../ode/paced.ts';
import { dpmSchedule, type GridOptions, type Schedule, uniPCSchedule } from '../ode/schedule.ts';
import type { SamplerStep, SteppedSampler, Velocity } from '../ode/solver.ts';
import { checkMemory } from './memory-plan.ts';
import { type LatentSize, latentSize, type VideoRequest, type WanModel, wanDefaults } from './request.ts';

/** Wan's negative prompt for text to video, used where none is given (wan/configs/shared_config.py). */
export const defaultNegativePrompt: string =
  '色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，' +
  '丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，' +
  '静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走';

/** Wan's solvers. */
export type WanSolver = 'unipc' | 'dpm++';

/** Their names. */
export const wanSolvers: readonly WanSolver[] = ['unipc', 'dpm++'];

const solvers: Readonly<Record<WanSolver, { sample: SteppedSampler; grid: (options: GridOptions) => Schedule }>> = {
  unipc: { sample: uniPC, grid: uniPCSchedule },
  'dpm++': { sample: dpmSolver, grid: dpmSchedule },
};

/** What is to be seen of a video while it is generated. */
export interface Preview {
  /** Step, from 0. */
  readonly index: number;
  readonly steps: number;
  /** First frame of the clean video that is predicted at this step, [1, 1, H, W, 3] in [-1, 1]; freed afterwards. */
  readonly frame: Tensor;
}

/** How a bidirectional model generates; the defaults are those advised for Wan2.1-T2V-1.3B. */
export interface GenerateRequest extends VideoRequest {
  /** Default {@link defaultNegativePrompt}. */
  readonly negativePrompt?: string;
  /** Default 50. */
  readonly steps?: number;
  /** Default 6; 1 runs without the negative prompt, 0 with it alone. */
  readonly guidanceScale?: number;
  /** Default 8. */
  readonly shift?: number;
  /** Default unipc. */
  readonly solver?: WanSolver;
  /** Initial noise [1, F, H, W, C] in place of the seed's; it stays the caller's. */
  readonly noise?: Tensor;
  /** Sees each denoising step; the tensors live until it is done. */
  readonly onStep?: (step: SamplerStep) => void | Promise<void>;
  /** Sees the first frame of the predicted video every `previewEvery` steps. */
  readonly onPreview?: (preview: Preview) => void | Promise<void>;
  /** Default 10. */
  readonly previewEvery?: number;
}

/** What decides about the noise levels of a request and how they are passed. */
export type DenoisingRequest = Pick<GenerateRequest, 'steps' | 'shift' | 'solver' | 'guidanceScale'>;

/**
 * Noise levels and timesteps of a request. Guidance below 0 is refused: it would lead away from the prompt.
 *
 * @throws RangeError if steps, shift, solver or guidance scale are out of range.
 */
export function denoisingSchedule(request: DenoisingRequest): Schedule {
  const { steps = wanDefaults.steps, shift = wanDefaults.shift, solver = 'unipc' } = request;
  const { guidanceScale = wanDefaults.guidanceScale } = request;
  if (!Object.hasOwn(solvers, solver)) {
    throw new RangeError(`solver: wanted ${wanSolvers.join(' or ')}, received "${solver}"`);
  }
  if (!(guidanceScale >= 0 && guidanceScale < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`guidanceScale: wanted a number of at least 0 (1 = no guidance), received ${guidanceScale}`);
  }
  return solvers[solver].grid({ steps, shift });
}

/**
 * Generates a video with a bidirectional Wan transformer: guided denoising of all frames, whose steps `onStep` sees,
 * then pixels [1, f, H, W, 3] in [-1, 1], yielded latent by latent as they are decoded; they belong to the caller.
 * Between steps timers run and the signal is heard. The seed's noise is `torch.randn(C, F, H, W)` on the CPU.
 * Source: Wan2.1 wan/text2video.py.
 *
 * @throws RangeError if size, frames, steps, shift or guidance scale do not fit; MemoryError before any work if the run would not fit
 * into memory.
 * @example
 * for await (const frames of generate(model, { prompt: 'A cat runs.', seed: 1 })) await show(frames);
 */
export async function* generate(model: WanModel, request: GenerateRequest): AsyncGenerator<Tensor, void, void> {
  const size = latentSize(model, request);
  const schedule = denoisingSchedule(request);
  checkMemory(model, request);
  const latents = await denoise(model, request, { size, schedule, sample: solvers[request.solver ?? 'unipc'].sample });
  try {
    yield* decodeStream(model.vae, latentFrames(latents, request.signal));
  } finally {
    latents.dispose();
  }
}

interface Denoising {
  size: LatentSize;
  schedule: Schedule;
  sample: SteppedSampler;
}

async function denoise(
  model: WanModel,
  request: GenerateRequest,
  { size, schedule, sample }: Denoising,
): Promise<Tensor> {
  const { guidanceScale = wanDefaults.guidanceScale, seed = 0, signal } = request;
  const wanted = guidanceScale === 1 ? [] : [request.negativePrompt ?? defaultNegativePrompt];
  const fields: TextField[] = [];
  let x: Tensor | undefined;
  try {
    for (const text of [request.prompt, ...wanted]) {
      signal?.throwIfAborted();
      fields.push(await textField(model, text));
    }
    x = request.noise?.clone() ?? seededLatents(seed, size);
    const [conditional, unconditional = conditional] = fields.map(({ velocity }) => velocity);
    const field = guided(conditional!, unconditional!, guidanceScale);
    return await paced(sample.steps(field, x, schedule), { signal, onStep: (step) => report(model, request, step) });
  } finally {
    x?.dispose();
    for (const { dispose } of fields) dispose();
  }
}

/** Shows a step to those who asked. */
async function report(model: WanModel, request: GenerateRequest, step: SamplerStep): Promise<void> {
  const { onStep, onPreview, previewEvery = 10 } = request;
  await onStep?.(step);
  if (onPreview === undefined || step.index % previewEvery !== 0) return;
  const first = tf.tidy(() => step.x0.slice([0, 0], [1, 1]));
  const frame = decode(model.vae, first);
  try {
    await onPreview({ index: step.index, steps: step.steps, frame });
  } finally {
    tf.dispose([first, frame]);
  }
}

interface TextField {
  velocity: Velocity;
  dispose: () => void;
}

/** The velocity under a text, whose keys and values are computed once. */
async function textField({ dit, text }: WanModel, caption: string): Promise<TextField> {
  const rows = await text.encode([caption]);
  const context = createCrossAttnCache(dit, rows);
  rows.dispose();
  const velocity: Velocity = (x, t) => wanForward(dit, { x, t, context });
  return { velocity, dispose: () => disposeCrossAttnCache(context) };
}

function seededLatents(seed: number | bigint, { channels, frames, height, width }: LatentSize): Tensor {
  const drawn = random.torch(seed).normal([channels, frames, height, width]);
  return tf.tidy(() => tf.expandDims(tf.transpose(toTensor(drawn), [1, 2, 3, 0]), 0)); // [C,F,H,W] -> [1,F,H,W,C]
}

/** The frames of latents [1, F, H, W, C] one after the other. */
async function* latentFrames(latents: Tensor, signal?: AbortSignal): AsyncGenerator<Tensor, void, void> {
  for (let start = 0; start < latents.shape[1]!; start++) {
    signal?.throwIfAborted();
    const piece = latents.slice([0, start], [-1, 1]); // [1, 1, H, W, C]
    try {
      yield piece;
    } finally {
      piece.dispose();
    }
    await setImmediate();
  }
}
