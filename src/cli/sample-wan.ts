/** `reward-forcing sample --model FOLDER`: a video of an official Wan2.1 model, or of a causal student of it. */
import { dirname, extname, resolve } from 'node:path';
import { io, model, sampler, show } from '../index.ts';
import type { Clip } from '../io/clip.ts';
import { writeVideo } from '../io/video.ts';
import { startEngine } from './demo.ts';
import { UsageError } from './failure.ts';
import { interruptible } from './interrupt.ts';
import { ProgressLine } from './progress.ts';

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
  negative?: string;
  blocks?: string;
  seed: string;
  out?: string;
  engine: string;
  threads?: number;
}

const places: readonly model.BlockPlace[] = ['resident', 'host', 'host-bfloat16', 'file'];
const formats = ['.mp4', '.webp', '.png'];

/** Generates a video and writes it with its prompt and settings inside. */
export async function sampleWan(prompt: string, flags: WanSampleFlags): Promise<void> {
  const request = requestOf(prompt, flags);
  const blocks = blocksOf(flags.blocks);
  const out = resolve(flags.out ?? (await defaultOut()));
  await checkOut(out);
  await io.prepareFolder(dirname(out));
  await startEngine(flags);
  await interruptible(async (signal) => {
    const student = flags.student;
    const wan = await model.openWan(flags.model, { blocks, ...(student !== undefined && { student }) });
    try {
      const causal = student !== undefined;
      process.stderr.write(`${String(planned(wan, request, causal))}\n`);
      const clip = await generated(wan, { ...request, signal }, causal);
      await write(out, clip, {
        ...provenanceOf(request),
        model: wan.preset ?? flags.model,
        ...(student && { student }),
      });
    } finally {
      wan.dispose();
    }
  });
  process.stdout.write(`wrote ${out}\n`);
}

function planned(wan: model.OpenedWan, request: sampler.GenerateRequest, causal: boolean): sampler.MemoryPlan {
  try {
    return sampler.planMemory(wan, { ...request, causal });
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

function requestOf(prompt: string, flags: WanSampleFlags): sampler.GenerateRequest {
  const { wanDefaults } = sampler;
  const size = /^(\d+)x(\d+)$/.exec(flags.size ?? wanDefaults.size.join('x'));
  if (size === null) throw new UsageError(`--size is "${flags.size}": want WIDTHxHEIGHT, for example 832x480`);
  return {
    prompt: checkedPrompt(prompt),
    size: [Number(size[1]), Number(size[2])],
    seed: seedOf(flags.seed),
    frames: numberOf('--frames', flags.frames, wanDefaults.frames),
    steps: numberOf('--steps', flags.steps, wanDefaults.steps),
    guidanceScale: numberOf('--guidance', flags.guidance, wanDefaults.guidanceScale),
    shift: numberOf('--shift', flags.shift, wanDefaults.shift),
    ...(flags.negative !== undefined && { negativePrompt: flags.negative }),
  };
}

/** ONNX Runtime crashes in a process whose arguments are longer than some tens of kilobytes. */
const maxPromptBytes = 16384;

function checkedPrompt(prompt: string): string {
  const bytes = Buffer.byteLength(prompt);
  if (bytes <= maxPromptBytes) return prompt;
  throw new UsageError(
    `the prompt has ${bytes} bytes: want at most ${maxPromptBytes}; the text encoder reads its first 512 tokens only`,
  );
}

function numberOf(flag: string, text: string | undefined, preset: number): number {
  const value = text === undefined ? preset : Number(text);
  if (text?.trim() === '' || !Number.isFinite(value)) throw new UsageError(`${flag} is "${text}": want a number`);
  return value;
}

function seedOf(text: string): bigint {
  if (/^\d+$/.test(text)) return BigInt(text);
  throw new UsageError(`--seed is "${text}": want a whole number, as PyTorch's generator takes`);
}

function blocksOf(text: string = 'resident'): model.BlockPlace {
  const place = places.find((name) => name === text);
  if (place === undefined) throw new UsageError(`--blocks is "${text}": use ${places.join(', ')}`);
  return place;
}

/** What cannot be written is refused before the hours that a video may take. */
async function checkOut(out: string): Promise<void> {
  if (!formats.includes(extname(out))) throw new UsageError(`--out is "${out}": use a file in ${formats.join(', ')}`);
  if (extname(out) !== '.mp4' || (await show.resolveEncoder()).kind === 'ffmpeg') return;
  throw new UsageError(
    `--out is "${out}", and MP4 needs ffmpeg: "reward-forcing doctor" says how to get it, or use .webp`,
  );
}

/** H.264 where it can be had, else animated WebP. */
async function defaultOut(): Promise<string> {
  const { kind } = await show.resolveEncoder();
  return kind === 'ffmpeg' ? 'out/sample.mp4' : 'out/sample.webp';
}

/** Runs the pipeline and shows how far it is. */
async function generated(wan: model.OpenedWan, request: sampler.GenerateRequest, causal: boolean): Promise<Clip> {
  const progress = new ProgressLine();
  const { frames: total = 0 } = request;
  const onStep = ({ index, steps }: sampler.SamplerStep): void =>
    progress.update({ stage: 'denoising', done: index + 1, total: steps, values: {} });
  const pieces = causal ? sampler.generateCausal(wan, request) : sampler.generate(wan, { ...request, onStep });
  const onFrames = (done: number): void => progress.update({ stage: 'decoding', done, total, values: {} });
  const clip = await sampler.clipOf(pieces, { onFrames });
  progress.end();
  return clip;
}

function provenanceOf({ prompt, seed, size, frames, steps, guidanceScale, shift }: sampler.GenerateRequest) {
  const settings = { size: size!.join('x'), frames, steps, guidance: guidanceScale, shift };
  return {
    prompt,
    seed: String(seed),
    ...Object.fromEntries(Object.entries(settings).map(([k, v]) => [k, String(v)])),
  };
}

async function write(out: string, clip: Clip, provenance: Record<string, string>): Promise<void> {
  const title = provenance['prompt'] ?? '';
  if (extname(out) === '.png') await show.frames(clip, { title, provenance }).save(out);
  else await writeVideo(out, clip, { provenance });
}
