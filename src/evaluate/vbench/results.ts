/** What VBench itself has found: its result files, folders and zips of them. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type UnzipFileInfo, unzipSync } from 'fflate';
import { DIMENSIONS, type Dimension, type DimensionScores, type VBenchTotals, vbenchTotals } from './dimensions.ts';

/** What VBench has found: raw scores, the totals that follow, and the entries of single videos. */
export interface VBenchResults {
  readonly scores: DimensionScores;
  readonly totals: VBenchTotals;
  /** Entries of each dimension as VBench wrote them (`video_path`, `video_results`, ...). */
  readonly videos: Readonly<Partial<Record<Dimension, readonly Record<string, unknown>[]>>>;
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

/** Results of 946 prompts with five videos each have about 20 MB. */
const LIMIT = { bytes: 2 ** 27, files: 4096 };

/**
 * Names and texts of the JSON files in a zip, in the order of their names; folders and hidden files (`.DS_Store`,
 * `__MACOSX/`) are left out.
 *
 * @throws Error naming the zip, if it is cut short or broken, holds names that lead out of it or are there twice, or
 * would unpack to more than 128 MiB.
 */
export async function zippedTexts(path: string): Promise<[string, string][]> {
  const { size } = await stat(path);
  if (size > LIMIT.bytes) throw new Error(`${path} has ${size} bytes; wanted a zip of at most ${LIMIT.bytes}`);
  try {
    const files = unzipSync(await readFile(path), { filter: checked() });
    return Object.entries(files)
      .map(([name, bytes]): [string, string] => [name, decoded(bytes)])
      .sort(byName);
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Error(`${path} cannot be read as a zip of VBench's results: ${why}`, { cause });
  }
}

/** Passes JSON files on; throws on the first entry that an honest zip does not have. */
function checked(): (entry: UnzipFileInfo) => boolean {
  const names = new Set<string>();
  let bytes = 0;
  return ({ name, originalSize }) => {
    if (leadsOut(name)) throw new Error(`"${name}" leads out of it`);
    if (names.has(name)) throw new Error(`"${name}" is there twice`);
    names.add(name);
    bytes += originalSize;
    if (names.size > LIMIT.files) throw new Error(`it has more than ${LIMIT.files} files`);
    if (!(bytes <= LIMIT.bytes)) throw new Error(`it would unpack to more than ${LIMIT.bytes} bytes`);
    return name.endsWith('.json') && !name.split('/').some((part) => /^(\.|__)/.test(part));
  };
}

function leadsOut(name: string): boolean {
  return /^(\/|[A-Za-z]:)|\\|\0/.test(name) || name.split('/').includes('..');
}

function decoded(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

function byName([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1;
}
