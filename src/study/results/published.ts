/** What the run that trained the shipped weights found: its results and training curves, kept beside the weights. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../../io/index.ts';
import type { TrainingCurves } from '../../train/index.ts';
import { claimsMarkdown } from './report-tables.ts';
import { type ScratchResults, toJson } from './results.ts';

/** Results and curves, null where they did not come along. */
export interface Published {
  results: ScratchResults | null;
  curves: TrainingCurves | null;
}

/** Reads what lies beside shipped weights. */
export async function readPublished(folder: string): Promise<Published> {
  return { results: await readJson(folder, 'results.json'), curves: await readJson(folder, 'curves.json') };
}

/** Writes results, their table in Markdown, and curves beside shipped weights. */
export async function writePublished(folder: string, { results, curves }: Published): Promise<void> {
  if (results) {
    await writeAtomic(join(folder, 'results.json'), toJson(results));
    await writeAtomic(join(folder, 'results.md'), claimsMarkdown(results.claims));
  }
  if (curves) await writeAtomic(join(folder, 'curves.json'), `${JSON.stringify(curves)}\n`);
}

async function readJson<Value>(folder: string, name: string): Promise<Value | null> {
  const path = join(folder, name);
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return JSON.parse(text) as Value;
  } catch (error) {
    throw new Error(`${path} is not JSON (${(error as Error).message}): restore it from version control`);
  }
}
