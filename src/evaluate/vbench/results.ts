import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DIMENSIONS, type Dimension } from './dimensions.ts';
import { zippedTexts } from './results-zip.ts';
import { type DimensionScores, type VBenchTotals, vbenchTotals } from './totals.ts';

/** What VBench has found: raw scores, the totals that follow, and the entries of single videos. */
export interface VBenchResults {
  readonly scores: DimensionScores;
  readonly totals: VBenchTotals;
  /** Entries of each dimension as VBench wrote them (`video_path`, `video_results`, ...). */
  readonly videos: Readonly<Partial<Record<Dimension, readonly Record<string, unknown>[]>>>;
  /** Files that were read. */
  readonly sources: readonly string[];
}

/**
 * Reads VBench's results: a `..._eval_results.json`, a folder of such files, or the zip of JSON files that its leaderboard
 * takes; later ones (by name, which holds the time) replace the dimensions of earlier ones.
 *
 * @throws Error naming the file that is no result of VBench, or why a zip is refused.
 * Source: VBench scripts/cal_final_score.py.
 */
export async function importVBenchResults(path: string): Promise<VBenchResults> {
  const scores: DimensionScores = {};
  const videos: Partial<Record<Dimension, readonly Record<string, unknown>[]>> = {};
  const sources: string[] = [];
  for (const [source, text] of await resultTexts(path)) {
    for (const [dimension, value] of parseResults(source, text)) {
      scores[dimension] = value.score;
      videos[dimension] = value.videos;
    }
    sources.push(source);
  }
  if (sources.length === 0) throw new Error(`${path} holds no results of VBench; wanted files *_eval_results.json`);
  return { scores, totals: vbenchTotals(scores), videos, sources };
}

async function resultTexts(path: string): Promise<[string, string][]> {
  if ((await stat(path)).isDirectory()) {
    const names = (await readdir(path)).filter((name) => name.endsWith('_eval_results.json')).sort();
    return Promise.all(
      names.map(async (name): Promise<[string, string]> => [name, await readFile(join(path, name), 'utf8')]),
    );
  }
  // beside its results VBench writes what it has measured, `..._full_info.json`, and people send both
  if (path.endsWith('.zip')) return (await zippedTexts(path)).filter(([name]) => !name.endsWith('_full_info.json'));
  return [[path, await readFile(path, 'utf8')]];
}

interface Entry {
  score: number;
  videos: Record<string, unknown>[];
}

function parseResults(source: string, text: string): [Dimension, Entry][] {
  const wrong = (what: string): Error => new Error(`${source}: ${what}; wanted {"dimension": [score, [videos]]}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${source} is not JSON`, { cause });
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw wrong('no object');
  return Object.entries(parsed).map(([key, value]): [Dimension, Entry] => {
    const dimension = key.replaceAll(' ', '_') as Dimension;
    if (!Object.hasOwn(DIMENSIONS, dimension)) throw wrong(`"${key}" is no dimension of VBench`);
    const [score, videos = []] = Array.isArray(value) ? value : [value];
    if (typeof score !== 'number' || !(Math.abs(score) <= 1)) {
      throw wrong(`the score of ${key} is ${JSON.stringify(score)}, no fraction such as 0.97`);
    }
    return [dimension, { score, videos: Array.isArray(videos) ? videos : [] }];
  });
}
