/** VBench's own program: videos under the names that it looks for, and runs of its command line. */

import { spawn } from 'node:child_process';
import { copyFile, mkdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type Clip, writeAtomic, writeVideo } from '../../io/index.ts';
import type { Dimension } from './dimensions.ts';
import { importVBenchResults, type VBenchResults } from './results.ts';

/** A video for VBench: a file to copy, or a clip to encode. */
export interface ExportedVideo {
  /** The prompt of VBench's own list, word for word, even where a rewritten one was sampled from. */
  readonly prompt: string;
  /** Which of the videos of this prompt, from 0. */
  readonly index: number;
  readonly video: string | Clip;
  readonly seed?: number | string;
}

const longestName = 255;

/** The name VBench looks for, `prompt-index.ext`, prompt word for word. @throws Error if it cannot be a file's name. */
export function vbenchFileName(prompt: string, index: number, extension: string = '.mp4'): string {
  if (!Number.isInteger(index) || index < 0) throw new RangeError(`index is ${index}; wanted 0, 1, 2, ...`);
  const name = `${prompt}-${index}${extension}`.normalize('NFC');
  const size = Buffer.byteLength(name);
  if (prompt.trim() !== '' && !/[/\0]/.test(name) && size <= longestName) return name;
  throw new Error(
    `"${prompt}" cannot be part of a file name (${size} bytes); wanted a prompt of VBench's list: no "/", at most ` +
      `${longestName} bytes with its index and ending`,
  );
}

export interface ExportOptions {
  /** Ending of clips that are encoded (files keep theirs): `.mp4` for VBench, `.webp` needs no ffmpeg. @defaultValue '.mp4' */
  readonly extension?: '.mp4' | '.webp';
}

/**
 * Writes a folder of videos under VBench's names, and beside it (VBench takes the ending from any entry of the folder)
 * `folder.json` with the prompt and seed of each. Returns the names.
 *
 * @throws Error for two videos of one name; FfmpegError where clips are to be encoded and no ffmpeg is there.
 */
export async function exportForVBench(
  videos: Iterable<ExportedVideo>,
  folder: string,
  { extension = '.mp4' }: ExportOptions = {},
): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const written = new Map<string, { prompt: string; index: number; seed: number | string | null }>();
  for (const { prompt, index, video, seed = null } of videos) {
    const name = vbenchFileName(prompt, index, typeof video === 'string' ? extname(video) : extension);
    if (written.has(name)) throw new Error(`two videos are called "${name}"; give each its own index`);
    if (typeof video === 'string') await copyFile(video, join(folder, name));
    else await writeVideo(join(folder, name), video, { enlarge: 1 });
    written.set(name, { prompt, index, seed });
  }
  await writeAtomic(`${folder}.json`, `${JSON.stringify(Object.fromEntries(written), null, 2)}\n`);
  return [...written.keys()];
}

export interface VBenchRun {
  /** Folder of videos under VBench's names (`exportForVBench` writes one). */
  readonly videos: string;
  readonly dimensions: readonly Dimension[];
  /** Where VBench writes its results. */
  readonly output: string;
  /** The program, found in PATH, and words before its own. @defaultValue ['vbench'] */
  readonly command?: readonly [string, ...string[]];
  /** `vbench_standard` takes VBench's own prompts, `custom_input` those of the names. @defaultValue 'vbench_standard' */
  readonly mode?: 'vbench_standard' | 'custom_input';
  readonly signal?: AbortSignal;
  /** Hears what the program prints. */
  readonly onOutput?: (text: string) => void;
}

/** Dimensions that VBench itself refuses for prompts of one's own: they need what its list says about each prompt. */
const needsList: ReadonlySet<Dimension> = new Set<Dimension>([
  'object_class',
  'multiple_objects',
  'scene',
  'appearance_style',
  'color',
  'spatial_relationship',
]);

/**
 * Runs `vbench evaluate` and reads its results. VBench needs an NVIDIA GPU and downloads its weights itself.
 *
 * @throws Error if the program is not installed or fails, for paths that its shell would misread, and for dimensions that
 * it refuses in `custom_input`.
 */
export async function runVBench(run: VBenchRun): Promise<VBenchResults> {
  const { videos, dimensions, output, mode = 'vbench_standard', command: [program, ...words] = ['vbench'] } = run;
  if (dimensions.length === 0) throw new RangeError('dimensions is empty; wanted at least one');
  const refused = dimensions.filter((dimension) => needsList.has(dimension));
  if (mode === 'custom_input' && refused.length > 0) {
    throw new Error(`VBench does not take ${refused.join(', ')} for other prompts than its own; leave them out`);
  }
  for (const path of [videos, output]) checkPath(path);
  await mkdir(output, { recursive: true });
  // the wrapper takes one string of names and hands it on to a shell
  const flags = ['--videos_path', videos, '--dimension', dimensions.join(' '), '--mode', mode, '--output_path', output];
  await start(program, [...words, 'evaluate', ...flags], run);
  return importVBenchResults(output);
}

/** VBench puts paths into a shell's line between double quotes. */
function checkPath(path: string): void {
  if (!/["$`\\!\n]/.test(path)) return;
  throw new Error(`VBench hands "${path}" to a shell, which would misread it; use a path without " $ \` \\ !`);
}

function start(program: string, args: readonly string[], { signal, onOutput = () => {} }: VBenchRun): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) });
    let tail = '';
    const hear = (chunk: Buffer): void => {
      tail = (tail + chunk.toString()).slice(-2000);
      onOutput(chunk.toString());
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', (error: NodeJS.ErrnoException) => {
      const hint = `${program} is not installed: "pip install vbench" in a Python with CUDA, or give its path`;
      reject(error.code === 'ENOENT' ? new Error(hint, { cause: error }) : error);
    });
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with code ${code}: ${tail.trim().split('\n').slice(-3).join(' / ')}`));
    });
  });
}
