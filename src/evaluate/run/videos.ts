/** Which videos are evaluated: those of a folder or manifest, and the dimensions that VBench's list gives them. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, normalize } from 'node:path';
import { DIMENSION_NAMES, type Dimension } from '../vbench/dimensions.ts';

export interface VideoEntry {
  /** Path below the folder, or an absolute one. */
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
 * manifest: a JSON object `{ file: prompt }` or `{ file: { prompt, seed, style } }`, an array `[{ file, prompt, ... }]`, or
 * JSON Lines of such. With a manifest only what it lists is taken, whether it is there or not. What a Mac leaves beside
 * files on foreign disks (`._name.mp4`) is no video.
 *
 * @throws Error if the folder holds no video, or the manifest cannot be read.
 */
export async function listVideos(folder: string, manifest?: string): Promise<VideoEntry[]> {
  if (manifest !== undefined) return readManifest(manifest);
  const state = await stat(folder).catch(() => null);
  if (!state?.isDirectory()) throw new Error(`${folder} is no folder; give the folder of the videos`);
  const names = (await readdir(folder))
    .filter((name) => formats.has(extname(name).toLowerCase()) && !name.startsWith('._'))
    .sort();
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
  const text = await readText(path);
  const entries = parsedManifest(path, text).flatMap(entriesOf);
  if (entries.length === 0) throw new Error(`${path} lists no video`);
  return entries.map((entry, i) => checkedEntry(entry, `${path}, entry ${i}`));
}

/** A text without the byte order mark that some editors put before it. */
async function readText(path: string): Promise<string> {
  return (await readFile(path, 'utf8')).replace(/^\uFEFF/, '');
}

/** A whole JSON value, or one on each line (JSON Lines). */
function parsedManifest(path: string, text: string): unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    return Array.isArray(parsed) ? parsed : [parsed];
  } catch (cause) {
    const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
    try {
      if (lines.length > 1) return lines.map((line): unknown => JSON.parse(line));
    } catch {
      // neither of the two
    }
    throw new Error(`the manifest ${path} is no JSON: ${(cause as Error).message}`, { cause });
  }
}

/** An entry with its file, or videos by their files. */
function entriesOf(value: unknown): ManifestEntry[] {
  if (typeof value !== 'object' || value === null) return [{}];
  const { file, prompt } = value as ManifestEntry;
  if (Array.isArray(value) || typeof file === 'string' || typeof prompt === 'string') return [value as ManifestEntry];
  const named = Object.entries(value as Record<string, unknown>);
  return named.map(([name, told]) => {
    return typeof told === 'string' ? { file: name, prompt: told } : { ...(told as ManifestEntry), file: name };
  });
}

function checkedEntry({ file, prompt, seed, index, style }: ManifestEntry, where: string): VideoEntry {
  if (typeof file !== 'string' || typeof prompt !== 'string') {
    throw new Error(`${where}: wanted { "file": ..., "prompt": ... }, both texts`);
  }
  const own = seed ?? index ?? promptOfName(file).seed;
  if (typeof own !== 'number' && typeof own !== 'string') throw new Error(`${where}: seed is ${JSON.stringify(own)}`);
  return { file: normalize(file), prompt, seed: own, ...(typeof style === 'string' && { style }) };
}

export interface SuitePrompt {
  readonly prompt: string;
  readonly dimensions: readonly Dimension[];
  /** Phrase of the wanted style, of prompts of appearance style. */
  readonly style?: string;
}

/** Videos with the dimensions that they count for, and how they and the list fit together. */
export interface SuiteVideos {
  readonly videos: readonly VideoEntry[];
  /** Files of prompts that are not in the list: they count for no dimension. */
  readonly unlisted: readonly string[];
  /** Prompts of the list without a video. */
  readonly missing: readonly string[];
}

/**
 * Reads VBench's `VBench_full_info.json`: objects with `prompt_en`, `dimension` and `auxiliary_info`.
 *
 * @throws Error naming the entry that is none of these.
 */
export async function readVBenchSuite(path: string): Promise<SuitePrompt[]> {
  const parsed = parsedList(path, await readText(path));
  return parsed.map((entry, i) => {
    const { prompt_en: prompt, dimension, auxiliary_info } = entry as Partial<ListedPrompt>;
    const dimensions: readonly unknown[] = Array.isArray(dimension) ? dimension : [];
    if (typeof prompt !== 'string' || dimensions.length === 0 || !dimensions.every(isDimension)) {
      throw new Error(`${path}, entry ${i}: wanted { "prompt_en": ..., "dimension": [...] } of VBench's list`);
    }
    const style = auxiliary_info?.appearance_style?.appearance_style;
    return { prompt, dimensions: dimensions.filter(isDimension), ...(typeof style === 'string' && { style }) };
  });
}

interface ListedPrompt {
  readonly prompt_en: unknown;
  readonly dimension: unknown;
  readonly auxiliary_info: { readonly appearance_style?: { readonly appearance_style?: unknown } };
}

function parsedList(path: string, text: string): readonly object[] {
  try {
    const parsed: unknown = JSON.parse(text);
    if (Array.isArray(parsed) && parsed.every((entry) => typeof entry === 'object' && entry !== null)) return parsed;
  } catch (cause) {
    throw new Error(`${path} is no JSON: ${(cause as Error).message}`, { cause });
  }
  throw new Error(`${path}: wanted VBench's list, an array of prompts`);
}

function isDimension(name: unknown): name is Dimension {
  return (DIMENSION_NAMES as readonly unknown[]).includes(name);
}

/** Videos of a prompt that count; further ones are for the static filter of temporal flickering. */
const VIDEOS_A_PROMPT = 5;

/** The list by prompt; VBench's own names some prompts twice, each time with other dimensions. */
function mergedPrompts(suite: readonly SuitePrompt[]): Map<string, SuitePrompt> {
  const merged = new Map<string, SuitePrompt>();
  for (const entry of suite) {
    const prompt = entry.prompt.normalize('NFC');
    const { dimensions = [], ...before } = merged.get(prompt) ?? {};
    merged.set(prompt, { ...entry, ...before, dimensions: [...new Set([...dimensions, ...entry.dimensions])] });
  }
  return merged;
}

/**
 * Gives each video the dimensions of its prompt, as the leaderboard counts them: a dimension is the mean over the videos
 * 0 to 4 of its own prompts, and temporal flickering may choose its still videos among more.
 */
export function underSuite(videos: readonly VideoEntry[], suite: readonly SuitePrompt[]): SuiteVideos {
  const listed = mergedPrompts(suite);
  const seen = new Set<string>();
  const unlisted: string[] = [];
  const counted = videos.map((video): VideoEntry => {
    const prompt = video.prompt.normalize('NFC');
    const { dimensions, style } = listed.get(prompt) ?? { dimensions: [] };
    if (listed.has(prompt)) seen.add(prompt);
    else unlisted.push(video.file);
    const isExtra = Number(video.seed) >= VIDEOS_A_PROMPT;
    const own = isExtra ? dimensions.filter((name) => name === 'temporal_flickering') : dimensions;
    return { ...video, dimensions: own, ...(style !== undefined && { style }) };
  });
  return { videos: counted, unlisted, missing: [...listed.keys()].filter((prompt) => !seen.has(prompt)) };
}
