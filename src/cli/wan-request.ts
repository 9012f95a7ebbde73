/** What the flags of `reward-forcing sample --model` ask for. */
import { type model, sampler } from '../index.ts';
import { UsageError } from './failure.ts';

/** Flags of a sample of Wan; texts as they were typed. */
export interface WanSampleFlags {
  model: string;
  /** A training checkpoint of a causal student in place of the folder's transformer. */
  student?: string;
  size?: string;
  frames?: string;
  steps?: string;
  guidance?: string;
  shift?: string;
  solver?: string;
  negative?: string;
  window?: string;
  sink?: string;
  blocks?: string;
  seed: string;
  out?: string;
}

/** A sample of Wan. */
export interface WanRequest {
  readonly folder: string;
  readonly open: model.OpenWanOptions;
  /** Whether a causal student generates. */
  readonly causal: boolean;
  readonly request: sampler.GenerateRequest;
  /** What the video was made with, and nothing that had no effect. */
  readonly provenance: Readonly<Record<string, string>>;
}

const places: readonly model.BlockPlace[] = ['resident', 'host', 'host-bfloat16', 'file'];

/** Flags that only one kind of sample reads. */
const kinds = {
  small: ['network', 'weights'],
  wan: ['size', 'frames', 'blocks', 'student'],
  teacher: ['steps', 'guidance', 'shift', 'solver', 'negative'],
  student: ['window', 'sink'],
} as const;

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
export function requestOf(prompt: string, flags: WanSampleFlags): WanRequest {
  const { student } = flags;
  const causal = student !== undefined;
  const settings = { ...videoOf(flags), ...(causal ? {} : teacherOf(flags)) };
  const cache = {
    ...(flags.window !== undefined && { local_attn_size: countOf('--window', flags.window) }),
    ...(flags.sink !== undefined && { sink_size: countOf('--sink', flags.sink) }),
  };
  const asText = Object.entries({ ...settings, size: settings.size.join('x') });
  return {
    folder: flags.model,
    open: { blocks: blocksOf(flags.blocks), ...(causal && { student, config: cache }) },
    causal,
    request: { prompt, ...settings },
    provenance: {
      prompt,
      ...Object.fromEntries(asText.map(([key, value]) => [provenanceKeys[key] ?? key, String(value)])),
      ...(causal && {
        student,
        ...(flags.window && { window: flags.window }),
        ...(flags.sink && { sink: flags.sink }),
      }),
    },
  };
}

const provenanceKeys: Readonly<Record<string, string>> = { guidanceScale: 'guidance', negativePrompt: 'negative' };

function videoOf({ size: text, frames, seed }: WanSampleFlags) {
  const { wanDefaults } = sampler;
  const size = /^(\d+)x(\d+)$/.exec(text ?? wanDefaults.size.join('x'));
  if (size === null) throw new UsageError(`--size is "${text}": want WIDTHxHEIGHT, for example 832x480`);
  return {
    seed: seedOf(seed),
    size: [Number(size[1]), Number(size[2])] as const,
    frames: numberOf('--frames', frames, wanDefaults.frames),
  };
}

function teacherOf({ steps, guidance, shift, solver = 'unipc', negative }: WanSampleFlags) {
  const { wanDefaults, wanSolvers } = sampler;
  const known = wanSolvers.find((name) => name === solver);
  if (known === undefined) throw new UsageError(`--solver is "${solver}": use ${wanSolvers.join(' or ')}`);
  const settings = {
    steps: numberOf('--steps', steps, wanDefaults.steps),
    guidanceScale: numberOf('--guidance', guidance, wanDefaults.guidanceScale),
    shift: numberOf('--shift', shift, wanDefaults.shift),
    solver: known,
    ...(negative !== undefined && { negativePrompt: negative }),
  };
  try {
    sampler.denoisingSchedule(settings);
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
  return settings;
}

function numberOf(flag: string, text: string | undefined, preset: number): number {
  const value = text === undefined ? preset : Number(text);
  if (text?.trim() === '' || !Number.isFinite(value)) throw new UsageError(`${flag} is "${text}": want a number`);
  return value;
}

function countOf(flag: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new UsageError(`${flag} is "${text}": want a whole number of latent frames`);
}

function seedOf(text: string): bigint {
  if (/^\d+$/.test(text) && BigInt(text) < 2n ** 64n) return BigInt(text);
  throw new UsageError(`--seed is "${text}": want a whole number below 2^64, as PyTorch's generator takes`);
}

function blocksOf(text: string = 'resident'): model.BlockPlace {
  const place = places.find((name) => name === text);
  if (place === undefined) throw new UsageError(`--blocks is "${text}": use ${places.join(', ')}`);
  return place;
}
