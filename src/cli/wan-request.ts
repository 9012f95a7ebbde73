/** What the flags of `reward-forcing sample --model` ask for. */
import { randomInt } from 'node:crypto';
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
  readonly request: sampler.GenerateRequest;
  /** What was asked for that is no setting of the sampler. */
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
  const { student, window, sink } = flags;
  const cache = {
    ...(window !== undefined && { local_attn_size: countOf('--window', window) }),
    ...(sink !== undefined && { sink_size: countOf('--sink', sink) }),
  };
  const seed = seedOf(flags.seed);
  return {
    folder: flags.model,
    open: { blocks: blocksOf(flags.blocks), ...(student !== undefined && { student, config: cache }) },
    request: { prompt, seed, ...videoOf(flags), ...(student === undefined && teacherOf(flags)) },
    provenance: {
      prompt,
      seed: String(seed),
      ...(student !== undefined && { student }),
      ...(student !== undefined && window && { window }),
      ...(student !== undefined && sink && { sink }),
    },
  };
}

function videoOf({ size: text, frames }: WanSampleFlags): Pick<sampler.GenerateRequest, 'size' | 'frames'> {
  return { ...(text !== undefined && { size: sizeOf(text) }), ...numberOf('frames', '--frames', frames) };
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
