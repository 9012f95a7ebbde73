/** What to generate, and everything that decides how, settled once before any work. */
import type { Tensor } from '../../engine/tf.ts';
import type { Clip } from '../../io/index.ts';
import {
  advisedSampling,
  type BlockPlace,
  latentShape,
  type TextEncoder,
  type Umt5Config,
  type VaeConfig,
  vaeStrides,
  type WanConfig,
} from '../../model/internal.ts';
import type { Key, Part } from '../../nn/index.ts';
import { blockRanges, blocksOf } from '../causal/student.ts';
import { checkCount, checkSchedule, type Schedule } from '../ode/schedule.ts';
import type { SamplerStep, Solver } from '../ode/solver.ts';
import { fewStep, uniPC } from '../ode/solvers.ts';

/** How a network is sampled. What a request leaves open is taken from the model's `defaults`, then from {@link defaultSettings}. */
export interface GenerateSettings {
  /** Pixels, [width, height]. */
  readonly size: readonly [width: number, height: number];
  /** Pixel frames of a clip, 1 + a multiple of the temporal stride. */
  readonly frames: number;
  /** Frames a second of the clips; nothing but their playing depends on it. */
  readonly fps: number;
  /** Block by block with a cache of the past, by a causal few-step student. */
  readonly causal: boolean;
  readonly solver: Solver;
  readonly steps: number;
  readonly shift: number;
  /** Noise levels in place of the solver's own grid of `steps` and `shift`. */
  readonly schedule?: Schedule;
  /** See `guide`: 1 runs without the negative prompt, 0 with it alone. */
  readonly guidanceScale: number;
  /** What guidance leads away from; null is the text of zeros that stands for a dropped prompt in training. */
  readonly negativePrompt: string | null;
  /**
   * Whole clips at once: both predictions of guidance in one pass, and all latents decoded together, also those of a
   * causal student, whose frames then come after its last block. Faster for small networks, with more memory; the same
   * clips but for rounding.
   */
  readonly joint: boolean;
  /** Prompts that are generated together. With a `key` it also decides which noise a prompt gets. */
  readonly batch: number;
}

/** What a plan looks at: an open model, or configurations alone. */
export interface PlannedModel {
  readonly net: { readonly config: WanConfig };
  readonly decoder: { readonly config: VaeConfig };
  readonly text?: object & { readonly config?: Umt5Config };
  /** Where the weights of the blocks are. @defaultValue 'resident' */
  readonly blocks?: BlockPlace;
  /** Numbers of the LoRAs over the transformer. @defaultValue 0 */
  readonly loraParameters?: number;
  /** How this network is sampled where a request does not say. */
  readonly defaults?: Partial<GenerateSettings>;
}

/** The networks that make a video, as `openWan` returns them; their weights stay the caller's. */
export interface VideoModel extends PlannedModel {
  readonly net: Part<WanConfig>;
  readonly decoder: Part<VaeConfig>;
  readonly text: TextEncoder & { readonly config?: Umt5Config };
}

export interface GenerateRequest extends Partial<GenerateSettings> {
  /** A text, or several, of which each gets a clip. */
  readonly prompt?: string;
  readonly prompts?: readonly string[];
  /** Of PyTorch's CPU generator: each prompt starts from its noise, in the layout of Wan or Self-Forcing. @defaultValue 0 */
  readonly seed?: number | bigint;
  /** In place of a seed: the same noise on every engine, another for each prompt. */
  readonly key?: Key;
  /** Initial noise [B, F, H, W, C] in place of the seed's or the key's; it stays the caller's. */
  readonly noise?: Tensor;
  /**
   * Frames that the clips begin with, for causal networks: a clip for each prompt, or latents [B, f, H, W, C]. They
   * count among `frames`, and end where a block ends.
   */
  readonly prefix?: readonly Clip[] | Tensor;
  /** Bytes that the process may use; null does not look. @defaultValue what the machine has left */
  readonly memoryLimit?: number | null;
  /** Stops after the step that runs, with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Sees each denoising step; the tensors live until it is done. */
  readonly onStep?: (step: GenerateStep) => void | Promise<void>;
  /** Sees the first frame of the predicted clips every `previewEvery` steps. */
  readonly onPreview?: (preview: Preview) => void | Promise<void>;
  /** @defaultValue 10 */
  readonly previewEvery?: number;
}

export interface GenerateStep extends SamplerStep {
  /** Block of a causal clip, otherwise 0. */
  readonly block: number;
  /** Place of the batch's first prompt in the request. */
  readonly first: number;
}

/** What the clips of a batch are predicted to become. */
export interface Preview extends Pick<GenerateStep, 'index' | 'steps' | 'block' | 'first'> {
  /** The first frame of each clip, or of the block that is generated. */
  readonly clips: readonly Clip[];
}

export interface Settled extends GenerateSettings {
  readonly prompts: readonly string[];
  readonly schedule: Schedule;
  readonly latents: LatentSize;
}

/** Wan's negative prompt for text to video (wan/configs/shared_config.py). */
export const defaultNegativePrompt: string =
  '色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，JPEG压缩残留，' +
  '丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，形态畸形的肢体，手指融合，' +
  '静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走';

/** How Wan is sampled: 50 steps of UniPC, shift and guidance as advised; causal students by Self-Forcing's four steps. */
export function defaultSettings(config: WanConfig, causal: boolean): GenerateSettings {
  const every = { size: [832, 480], frames: 81, fps: 16, joint: false, batch: 1 } as const;
  if (causal) {
    return { ...every, causal, solver: fewStep, steps: 4, shift: 5, guidanceScale: 1, negativePrompt: null };
  }
  const advised = advisedSampling(config);
  return { ...every, causal, solver: uniPC, steps: 50, ...advised, negativePrompt: defaultNegativePrompt };
}

/**
 * Everything that decides about a run, from a request, the model's defaults and those of Wan.
 *
 * @throws RangeError or TypeError naming the option that is wrong, does not fit the model, or would have no effect.
 */
export function settle(model: PlannedModel, request: GenerateRequest): Settled {
  const { config } = model.net;
  const causal = request.causal ?? model.defaults?.causal ?? false;
  const settings = { ...defaultSettings(config, causal), ...model.defaults, ...given(request), causal };
  const prompts = promptsOf(request);
  checkSettings(settings);
  checkEffect(settings, request);
  checkPrefix(model, request.prefix, prompts.length);
  return { ...settings, prompts, schedule: scheduleOf(settings, model, request), latents: latentSize(model, settings) };
}

function given(request: GenerateRequest): Partial<GenerateSettings> {
  return Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
}

function promptsOf({ prompt, prompts }: GenerateRequest): readonly string[] {
  if (prompt !== undefined && prompts !== undefined) throw new TypeError('prompt and prompts: wanted one of them');
  const all = prompts ?? (prompt === undefined ? [] : [prompt]);
  if (!Array.isArray(all)) throw new TypeError('prompts: wanted a list of texts; give a single one as prompt');
  const wrong = all.find((each) => typeof each !== 'string');
  if (wrong !== undefined) throw new TypeError(`prompts: wanted texts, received ${String(wrong)}`);
  return all;
}

function checkSettings({ guidanceScale, batch, fps, solver }: GenerateSettings): void {
  if (!(guidanceScale >= 0 && guidanceScale < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`guidanceScale: wanted a number of at least 0 (1 = no guidance), received ${guidanceScale}`);
  }
  checkCount('batch', batch);
  if (!(fps > 0 && fps < Number.POSITIVE_INFINITY)) throw new RangeError(`fps: wanted a number > 0, received ${fps}`);
  if (typeof solver?.steps !== 'function') {
    throw new TypeError(`solver: wanted one such as sampler.uniPC or sampler.euler, received ${String(solver)}`);
  }
}

/** Refuses options of a request that would change nothing. */
function checkEffect({ causal, solver, guidanceScale }: GenerateSettings, request: GenerateRequest): void {
  const { seed, key, noise, prefix, negativePrompt, onPreview, previewEvery } = request;
  const isGuided = guidanceScale !== 1;
  const wrongs: readonly [isWrong: boolean, why: string][] = [
    [seed !== undefined && key !== undefined, 'seed and key: wanted one of them as the source of noise'],
    [causal && isGuided, `guidanceScale: a causal student runs without guidance, received ${guidanceScale}`],
    [causal && solver !== fewStep, `solver: a causal student is sampled by sampler.fewStep, received ${solver.id}`],
    [!causal && prefix !== undefined, 'prefix: only a causal network goes on from given frames; set causal: true'],
    [noise !== undefined && prefix !== undefined, 'noise: give a seed or a key beside a prefix'],
    [
      !isGuided && typeof negativePrompt === 'string',
      'negativePrompt: has no effect at guidanceScale 1; give another scale, or leave it out',
    ],
    [previewEvery !== undefined && !onPreview, 'previewEvery: has no effect without onPreview'],
  ];
  for (const [isWrong, why] of wrongs) if (isWrong) throw new TypeError(why);
  if (previewEvery !== undefined) checkCount('previewEvery', previewEvery);
}

function checkPrefix({ decoder }: PlannedModel, prefix: GenerateRequest['prefix'], prompts: number): void {
  if (!prefix || 'shape' in prefix) return;
  if (prefix.length !== prompts) {
    throw new RangeError(`prefix: wanted a clip for each of ${prompts} prompts, received ${prefix.length}`);
  }
  const { time } = vaeStrides(decoder.config);
  const wrong = prefix.find(({ frames }) => (frames - 1) % time !== 0);
  if (wrong) throw new RangeError(`prefix: wanted clips of 1 + a multiple of ${time} frames, received ${wrong.frames}`);
}

function scheduleOf(settings: GenerateSettings, { defaults }: PlannedModel, request: GenerateRequest): Schedule {
  const { solver, steps, shift } = settings;
  const asked = request.steps ?? request.shift ?? request.solver;
  if (request.schedule && (request.steps ?? request.shift) !== undefined) {
    throw new TypeError('steps, shift: have no effect beside a schedule; leave them out');
  }
  const schedule = request.schedule ?? (asked === undefined ? defaults?.schedule : undefined);
  if (!schedule) return solver.grid({ steps, shift });
  checkSchedule(schedule);
  return schedule;
}

/** Shape [F, C, H, W] of a request's latents. */
export interface LatentSize {
  readonly frames: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

/** Token frames that the rotary tables of the original reach. */
const maxTokenFrames = 1024;

/**
 * Size of the latents of a video.
 *
 * @throws RangeError if the sides are no multiples of stride times patch, or the frames do not fit the strides, the
 * rotary tables or, with the nearest numbers that do, the blocks of a causal network.
 */
export function latentSize(
  { net, decoder }: PlannedModel,
  { size: [width, height], frames, causal }: Pick<GenerateSettings, 'size' | 'frames' | 'causal'>,
): LatentSize {
  const { time, space } = vaeStrides(decoder.config);
  const [patchTime, ...patch] = net.config.patch_size;
  checkSide('width', width, space * patch[1]);
  checkSide('height', height, space * patch[0]);
  const latents = latentShape(decoder.config, { frames, height, width });
  const tokenFrames = latents.frames / patchTime;
  if (!Number.isInteger(frames) || frames < 1 || (frames - 1) % time !== 0 || !Number.isInteger(tokenFrames)) {
    throw new RangeError(`frames: wanted 1 + a multiple of ${time}, received ${frames}`);
  }
  if (tokenFrames > maxTokenFrames) {
    throw new RangeError(`frames: wanted at most ${1 + (maxTokenFrames * patchTime - 1) * time}, received ${frames}`);
  }
  if (causal) checkBlocks(net.config, latents.frames, time);
  return latents;
}

function checkSide(name: string, value: number, multiple: number): void {
  if (Number.isInteger(value) && value >= multiple && value % multiple === 0) return;
  throw new RangeError(`size: wanted a ${name} that is a multiple of ${multiple}, received ${value}`);
}

function checkBlocks(config: WanConfig, latents: number, time: number): void {
  const { framesPerBlock: block, independentFirstFrame } = blocksOf(config);
  const lead = independentFirstFrame ? 1 : 0;
  const over = (latents - lead) % block;
  if (over === 0) return void blockRanges(latents, blocksOf(config));
  const near = [latents - over, latents - over + block].filter((frames) => frames > 0);
  throw new RangeError(
    `frames: the ${latents} latent frames do not fall into blocks of ${block}${lead ? ' after the first' : ''}; ` +
      `ask for ${near.map((frames) => 1 + (frames - 1) * time).join(' or ')} frames`,
  );
}
