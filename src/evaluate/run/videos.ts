/** Which videos a folder holds, and of which prompts. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Dimension } from '../vbench/dimensions.ts';

/** A video to evaluate. */
export interface VideoEntry {
  /** Path below the folder. */
  readonly file: string;
  readonly prompt: string;
  /** Which of the videos of its prompt, or the seed it was made with. */
  readonly seed: number | string;
  /** Phrase of the wanted style, for appearance style. */
  readonly style?: string;
  /** VBench's dimensions that the video counts for (see `underSuite`); all if absent. */
  readonly dimensions?: readonly Dimension[];
}

const formats: ReadonlySet<string> = new Set(['.mp4', '.webp', '.gif', '.webm', '.mkv', '.mov', '.avi']);

/**
 * Videos of a folder in the order of their names. Prompts come from VBench's names (`prompt-index.mp4`), or from a
 * manifest: a JSON object `{ file: prompt }` or `{ file: { prompt, seed, style } }`, or an array `[{ file, prompt, ... }]`.
 * With a manifest only what it lists is taken, whether it is there or not.
 *
 * @throws Error if the folder holds no video, or the manifest cannot be read.
 */
export async function listVideos(folder: string, manifest?: string): Promise<VideoEntry[]> {
  if (manifest !== undefined) return readManifest(manifest);
  const state = await stat(folder).catch(() => null);
  if (!state?.isDirectory()) throw new Error(`${folder} is no folder; give the folder of the videos`);
  const names = (await readdir(folder)).filter((name) => formats.has(extname(name).toLowerCase())).sort();
  if (names.length === 0) throw new Error(`${folder} holds no video (${[...formats].join(', ')})`);
  return names.map((file) => ({ file, ...promptOfName(file) }));
}

/** Prompt and index of a name as VBench has it: `a cat runs-3.mp4` is video 3 of "a cat runs". */
export function promptOfName(file: string): { prompt: string; seed: number } {
  const stem = file.slice(0, file.length - extname(file).length);
  const [, prompt = stem, index = '0'] = /^(.*)-(\d+)$/s.exec(stem) ?? [];
  return { prompt, seed: Number(index) };
}

type ManifestEntry = { file?: unknown; prompt?: unknown; seed?: unknown; index?: unknown; style?: unknown };

async function readManifest(path: string): Promise<VideoEntry[]> {
  const parsed = parsedManifest(path, await readFile(path, 'utf8'));
  if (typeof parsed !== 'object' || parsed === null) throw new Error(`${path}: wanted an object or an array of videos`);
  const entries: ManifestEntry[] = Array.isArray(parsed)
    ? (parsed as ManifestEntry[])
    : Object.entries(parsed).map(([file, value]) => {
        return typeof value === 'string' ? { file, prompt: value } : { file, ...(value as ManifestEntry) };
      });
  if (entries.length === 0) throw new Error(`${path} lists no video`);
  return entries.map((entry, i) => checkedEntry(entry, `${path}, entry ${i}`));
}

function parsedManifest(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`the manifest ${path} is no JSON: ${(cause as Error).message}`, { cause });
  }
}

function checkedEntry({ file, prompt, seed, index, style }: ManifestEntry, where: string): VideoEntry {
  if (typeof file !== 'string' || typeof prompt !== 'string') {
    throw new Error(`${where}: wanted { "file": ..., "prompt": ... }, both texts`);
  }
  const own = seed ?? index ?? promptOfName(file).seed;
  if (typeof own !== 'number' && typeof own !== 'string') throw new Error(`${where}: seed is ${JSON.stringify(own)}`);
  return { file: join(file), prompt, seed: own, ...(typeof style === 'string' && { style }) };
}
