/** `reward-forcing sample --model FOLDER`: a video of an official Wan2.1 model, or of a causal student of it. */
import { randomInt } from 'node:crypto';
import { model, sampler } from '../index.ts';
import type { Clip } from '../io/index.ts';
import { defaultNegativePrompt, type Settled, settle } from '../sampler/internal.ts';
import { interruptible, UsageError } from './failure.ts';
import { ProgressLine } from './progress.ts';
import { prepareClipFile, writeClip } from './sample.ts';
import { type EngineFlags, startEngine } from './start-engine.ts';

/** Generates a video and writes it with its prompt and settings inside. */
export async function sampleWan(prompt: string, flags: WanSampleFlags & EngineFlags): Promise<void> {
  const wanted = requestOf(prompt, flags);
  const out = await prepareClipFile(flags.out);
  await startEngine(flags);
  await interruptible(async (signal) => {
    const { provenance, preset, clip } = await generated(wanted, signal);
    await writeClip(out, clip, { ...provenance, model: preset ?? flags.model });
  }, 'nothing was written');
  process.stdout.write(`wrote ${out}\n`);
}

async function generated({ folder, open, request, provenance }: WanRequest, signal: AbortSignal) {
  const described = await model.describeWan(folder, open);
  const plan = planned(described, request);
  process.stderr.write(`${String(plan)}\n`);
  if (!plan.fits) throw new sampler.MemoryError(plan); // before the weights are read
  const settings = provenanceOf(settle(described, request));
  const wan = await model.openWan(folder, open);
  try {
    const clip = await withProgress(wan, { ...request, signal });
    return { clip, preset: wan.preset, provenance: { ...provenance, ...settings } };
  } finally {
    wan.dispose();
  }
}

function planned(described: model.WanDescription, request: sampler.GenerateRequest): sampler.MemoryPlan {
  try {
    return sampler.planMemory(described, request);
  } catch (error) {
    const isUsage = error instanceof RangeError || error instanceof TypeError;
    throw isUsage ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** The settings that a run had, those of a causal student without what it does not read. */
function provenanceOf({ size, frames, steps, guidanceScale, shift, solver, negativePrompt, causal }: Settled) {
  const every = { size: size.join('x'), frames: String(frames) };
  if (causal) return every;
  const negative = negativePrompt === defaultNegativePrompt ? {} : { negative: String(negativePrompt) };
  const numbers = { steps: String(steps), guidance: String(guidanceScale), shift: String(shift) };
  return { ...every, ...numbers, solver: solver.id, ...negative };
}

async function withProgress(wan: model.OpenedWan, request: sampler.GenerateRequest): Promise<Clip> {
  const progress = new ProgressLine();
  const onStep = ({ index, steps, block }: sampler.GenerateStep): void => {
    const stage = wan.defaults.causal ? `denoising block ${block + 1}` : 'denoising';
    progress.update({ stage, done: index + 1, total: steps, values: {} });
  };
  const onFrames = ({ start, frames, total }: sampler.GeneratedFrames): void =>
    progress.update({ stage: 'decoding', done: start + frames, total, values: {} });
  const [clip] = await sampler.generateClips(wan, { ...request, onStep }, { onFrames });
  progress.end();
  return clip!;
}

interface WanRequest {
  readonly folder: string;
  readonly open: model.OpenWanOptions;
  readonly request: sampler.GenerateRequest;
  /** What was asked for that is no setting of the sampler. */
  readonly provenance: Readonly<Record<string, string>>;
}

const places: readonly model.BlockPlace[] = ['resident', 'host', 'host-bfloat16', 'file'];

/** Flags that only one kind of sample reads. */
const kinds = {
  small: ['network', 'weights'],
  wan: ['size', 'frames', 'blocks', 'student', 'lora'],
  teacher: ['steps', 'guidance', 'shift', 'solver', 'negative'],
  student: ['window', 'sink'],
} as const;

type FlagName = (typeof kinds)['wan' | 'teacher' | 'student'][number];

/** Flags of a sample of Wan, texts as they were typed; the student stands in place of the folder's transformer. */
export type WanSampleFlags = { model: string; seed: string; out?: string; lora?: readonly string[] } & Partial<
  Record<Exclude<FlagName, 'lora'>, string>
>;

/**
 * @throws UsageError for flags of Wan where no `--model` is given, and for those that a sample of its kind does not read.
 */
export function checkFlags(flags: object): void {
  const { model, student } = flags as Partial<WanSampleFlags>;
  const refuse = (why: string, ...names: string[]): void => {
    const given = names.filter((name) => (flags as Record<string, unknown>)[name] !== undefined);
    if (given.length > 0) throw new UsageError(`${given.map((name) => `--${name}`).join(', ')}: ${why}`);
  };
  if (model === undefined) {
    refuse('only for official models, which --model FOLDER names', ...kinds.wan, ...kinds.teacher, ...kinds.student);
  } else {
    refuse('only for the small scale: leave it out, or leave out --model', ...kinds.small);
    if (student === undefined) refuse('only for a causal student, which --student FILE names', ...kinds.student);
    else refuse('a causal student takes four steps of its own, without guidance: leave it out', ...kinds.teacher);
  }
}

/** @throws UsageError naming the flag that is wrong and what it wants. */
function requestOf(prompt: string, flags: WanSampleFlags): WanRequest {
  const { student, window, sink, size, frames } = flags;
  const cache = {
    ...(window !== undefined && { local_attn_size: countOf('--window', window) }),
    ...(sink !== undefined && { sink_size: countOf('--sink', sink) }),
  };
  const seed = seedOf(flags.seed);
  const video = { ...(size !== undefined && { size: sizeOf(size) }), ...numberOf('frames', '--frames', frames) };
  return {
    folder: flags.model,
    open: {
      blocks: blocksOf(flags.blocks),
      ...(student !== undefined && { student, config: cache }),
      ...(flags.lora && { loras: flags.lora.map(loraOf) }),
    },
    request: { prompt, seed, ...video, ...(student === undefined && teacherOf(flags)) },
    provenance: {
      prompt,
      seed: String(seed),
      ...(student !== undefined && { student, ...(window && { window }), ...(sink && { sink }) }),
      ...(flags.lora && { lora: flags.lora.join(', ') }),
    },
  };
}

/** `FILE` or `FILE:scale`; what does not fit is told, module by module, and the rest is used. */
function loraOf(text: string): model.WanLora {
  const [, path = text, scale] = /^(.+):([^:/\\]*)$/.exec(text) ?? [];
  const strength = scale === undefined ? 1 : Number(scale);
  if (scale?.trim() === '' || !Number.isFinite(strength)) {
    throw new UsageError(`--lora is "${text}": wanted FILE or FILE:scale, for example style.safetensors:0.8`);
  }
  const onUnfit = (modules: readonly string[]): void => {
    process.stderr.write(`${path}: the transformer has no place for\n${modules.map((name) => `  ${name}\n`).join('')}`);
  };
  return { path, strength, onUnfit };
}

/** Wan's own script writes a size as 832*480. */
function sizeOf(text: string): readonly [number, number] {
  const size = /^(\d+)[x*](\d+)$/.exec(text);
  if (size === null) throw new UsageError(`--size is "${text}": wanted WIDTHxHEIGHT, for example 832x480`);
  return [Number(size[1]), Number(size[2])];
}

function teacherOf({ steps, guidance, shift, solver, negative }: WanSampleFlags): Partial<sampler.GenerateRequest> {
  const known = [sampler.uniPC, sampler.dpmSolver, sampler.euler, sampler.heun];
  const chosen = known.find(({ id }) => id === solver);
  if (solver !== undefined && chosen === undefined) {
    throw new UsageError(`--solver is "${solver}": use ${known.map(({ id }) => id).join(', ')}`);
  }
  return {
    ...numberOf('steps', '--steps', steps),
    ...numberOf('guidanceScale', '--guidance', guidance),
    ...numberOf('shift', '--shift', shift),
    ...(chosen && { solver: chosen }),
    ...(negative !== undefined && { negativePrompt: negative }),
  };
}

function numberOf(name: string, flag: string, text: string | undefined): Record<string, number> {
  if (text === undefined) return {};
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new UsageError(`${flag} is "${text}": wanted a number`);
  return { [name]: value };
}

function countOf(flag: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new UsageError(`${flag} is "${text}": wanted a whole number of latent frames`);
}

/** As for Wan's own script, -1 is a seed drawn at random; it is written into the video. */
function seedOf(text: string): bigint {
  if (text === '-1') return BigInt(randomInt(2 ** 32));
  if (/^\d+$/.test(text) && BigInt(text) < 2n ** 64n) return BigInt(text);
  throw new UsageError(
    `--seed is "${text}": wanted a whole number below 2^64, as PyTorch's generator takes, or -1 for a random one`,
  );
}

function blocksOf(text: string = 'resident'): model.BlockPlace {
  const place = places.find((name) => name === text);
  if (place === undefined) throw new UsageError(`--blocks is "${text}": use ${places.join(', ')}`);
  return place;
}
