/** VBench's own list of prompts: which dimensions the videos of each count for. */
import { readFile } from 'node:fs/promises';
import { DIMENSION_NAMES, type Dimension } from '../vbench/dimensions.ts';
import type { VideoEntry } from './videos.ts';

/** A prompt of the list. */
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
  const parsed = parsedList(path, await readFile(path, 'utf8'));
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

/**
 * Gives each video the dimensions of its prompt, as the leaderboard counts them: a dimension is the mean over the videos
 * 0 to 4 of its own prompts, and temporal flickering may choose its still videos among more.
 */
export function underSuite(videos: readonly VideoEntry[], suite: readonly SuitePrompt[]): SuiteVideos {
  const listed = new Map(suite.map((entry) => [entry.prompt.normalize('NFC'), entry]));
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
