/** Students and teacher side by side on the same prompts, seeds and noise. */

import { type Interval, type PairedComparison, pairedDifference } from '../../evaluate/index.ts';
import type { Clip } from '../../io/index.ts';
import type { WanConfig } from '../../model/index.ts';
import type { Part } from '../../nn/index.ts';
import { random } from '../../nn/index.ts';
import { type GeneratedFrames, generateClips } from '../../sampler/index.ts';
import * as digits from '../../world/digits/index.ts';
import { type SamplingKind, type SamplingParts, videoModel } from '../networks/generate.ts';
import { type Judges, MEASURES, type MeasureName, type Measures, measure, summarise } from './measure.ts';

/** A network to compare and how it is sampled. */
export interface Contestant {
  title: string;
  net: Part<WanConfig>;
  kind: SamplingKind;
}

/** What a contestant made and scored. */
export interface Outcome {
  title: string;
  /** [seed][prompt] */
  clips: Clip[][];
  measures: Measures;
  summary: Record<MeasureName, Interval>;
}

/** Prompts and seeds of a comparison. */
export interface CompareOptions {
  prompts: readonly string[];
  seeds: number;
  /** Hears how much is done, generating and measuring each clip being one piece of work. */
  onProgress?: (title: string, done: number, total: number) => void;
  signal?: AbortSignal;
}

/** `count` prompts spread over all labels: the fixed set of every comparison. */
export function evaluationPrompts(count: number): string[] {
  return digits.prompts('all', count);
}

/** Generates and measures clips of one contestant. */
export async function evaluateContestant(
  parts: SamplingParts & Judges,
  { title, net, kind }: Contestant,
  { prompts, seeds, onProgress, signal }: CompareOptions,
): Promise<Outcome> {
  const total = 2 * prompts.length * seeds;
  let done = 0;
  const count = (): void => {
    signal?.throwIfAborted();
    onProgress?.(title, ++done, total);
  };
  onProgress?.(title, 0, total);
  const contestant = videoModel(parts, { net, kind });
  const clips: Clip[][] = [];
  for (let seed = 0; seed < seeds; seed++) {
    const key = random.key(parts.recipe.seed).stream('evaluation').stream(seed);
    const onFrames = ({ start, frames, total: all }: GeneratedFrames): void => {
      if (start + frames === all) count();
    };
    clips.push(await generateClips(contestant, { prompts, key, ...(signal && { signal }) }, { onFrames }));
  }
  const measures = await measure(clips, prompts, parts, count);
  return { title, clips, measures, summary: summarise(measures, parts.recipe.seed) };
}

/** First minus second of each pair of titles that are both there, by `first - second`. */
export function differencesOf(
  pairs: readonly (readonly [first: string, second: string])[],
  outcomes: Readonly<Record<string, Pick<Outcome, 'measures'>>>,
  seed: number,
): Record<string, Record<MeasureName, PairedComparison>> {
  const there = pairs.filter((titles) => titles.every((title) => outcomes[title]));
  const entries = there.map(
    ([first, second]) => [`${first} - ${second}`, compareOutcomes(outcomes[first]!, outcomes[second]!, seed)] as const,
  );
  return Object.fromEntries(entries);
}

/** Paired differences of every measure, first minus second, with intervals over prompts. */
export function compareOutcomes(
  first: Pick<Outcome, 'measures'>,
  second: Pick<Outcome, 'measures'>,
  seed: number,
): Record<MeasureName, PairedComparison> {
  const entries = MEASURES.map(
    (name) => [name, pairedDifference(first.measures[name], second.measures[name], { seed })] as const,
  );
  return Object.fromEntries(entries) as Record<MeasureName, PairedComparison>;
}
