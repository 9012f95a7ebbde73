import { copyFile, mkdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { type Clip, writeAtomic, writeVideo } from '../../io/index.ts';

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

/**
 * The name VBench looks for: `prompt-index.ext`, the prompt with its spaces and final dot.
 *
 * @throws Error for a prompt that cannot be a file name, RangeError for an index that is no whole number.
 */
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

/** How clips are encoded. */
export interface ExportOptions {
  /** Ending of clips that are encoded (files keep theirs): `.mp4` (default) for VBench, `.webp` needs no ffmpeg. */
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
