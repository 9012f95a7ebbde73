/** What networks make of the same prompts, seeds and noise, and what that is worth by the measures of their world. */
import { setImmediate } from 'node:timers/promises';
import {
  bootstrap,
  type Interval,
  type PairedComparison,
  pairedDifference,
  type Scores,
} from '../../evaluate/index.ts';
import type { Clip } from '../../io/index.ts';
import type { WanConfig } from '../../model/index.ts';
import { type Net, random } from '../../nn/index.ts';
import { type GeneratedFrames, generateClips } from '../../sampler/index.ts';
import type { Judges, OutcomeId, World } from '../../world/index.ts';
import type { Networks } from '../networks/networks.ts';
import { type SamplingKind, type SamplingParts, videoModel } from '../networks/settings.ts';

/** A network to compare and how it is sampled. */
export interface Contestant {
  /** Its key in results. */
  readonly id: string;
  readonly net: Net<WanConfig>;
  readonly kind: SamplingKind;
}

/** What a run of a student from shipped weights adds to the outcomes of a study. */
export type DemoOutcomeId = OutcomeId | 'short phase 1' | 'short phase 2';

type NamedNet = 'teacher' | 'distilled' | 'ode' | 'rewardForcing';

/** Which network each outcome of shipped weights is of, and how it is sampled. */
const entrants: Readonly<Partial<Record<OutcomeId, readonly [net: NamedNet, kind: SamplingKind]>>> = {
  teacher: ['teacher', 'teacher'],
  distilled: ['distilled', 'distilled'],
  'before phase 1': ['distilled', 'student'],
  'phase 1': ['ode', 'student'],
  'phase 2': ['rewardForcing', 'student'],
};

/**
 * The network of an outcome among shipped ones, ready to be compared.
 *
 * @throws Error if the outcome is of no shipped network.
 * @example ['phase 1', 'phase 2'].map((id) => study.contestant(nets, id))
 */
export function contestant(nets: Networks, id: OutcomeId): Contestant {
  const entrant = entrants[id];
  if (entrant) return { id, net: nets[entrant[0]], kind: entrant[1] };
  throw new Error(`id: wanted one of ${Object.keys(entrants).join(', ')}, received "${id}"; make it from its own net`);
}

/** Scores [prompt][seed] by the ids of measures. */
export type Measures = Readonly<Record<string, Scores>>;

/** Estimate and 95% interval by the ids of measures. */
export type Summary = Readonly<Record<string, Interval>>;

/** Paired difference by the ids of measures. */
export type Difference = Readonly<Record<string, PairedComparison>>;

/** What a contestant made and scored. */
export interface Outcome {
  readonly id: string;
  /** [seed][prompt] */
  readonly clips: Clip[][];
  readonly measures: Measures;
  readonly summary: Summary;
}

/** Prompts and seeds of a comparison. */
export interface CompareOptions {
  readonly prompts: readonly string[];
  readonly seeds: number;
  /** Hears how much is done, generating and measuring each clip being one piece of work. */
  readonly onProgress?: (id: string, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What a comparison works with: networks for sampling, and the world's judges. */
export type CompareParts = SamplingParts & { readonly judges: Judges };

/** Generates and measures clips of one contestant. */
export async function evaluateContestant(
  parts: CompareParts,
  { id, net, kind }: Contestant,
  { prompts, seeds, onProgress, signal }: CompareOptions,
): Promise<Outcome> {
  const { recipe } = parts;
  if (prompts.length === 0) throw new RangeError('prompts: wanted at least one, received none');
  if (!Number.isInteger(seeds) || seeds < 1) {
    throw new RangeError(`seeds: wanted a whole number of at least 1, received ${seeds}`);
  }
  const total = 2 * prompts.length * seeds;
  let done = 0;
  const count = (): void => {
    signal?.throwIfAborted();
    onProgress?.(id, ++done, total);
  };
  onProgress?.(id, 0, total);
  const model = videoModel(parts, net, kind);
  const clips: Clip[][] = [];
  for (let seed = 0; seed < seeds; seed++) {
    const key = random.key(recipe.seed).stream('evaluation').stream(seed);
    const onFrames = ({ start, frames, total: all }: GeneratedFrames): void => {
      if (start + frames === all) count();
    };
    clips.push(await generateClips(model, { prompts, key, ...(signal && { signal }) }, { onFrames }));
  }
  const measures = await measure(parts, clips, prompts, count);
  return { id, clips, measures, summary: summarise(measures, recipe.seed) };
}

/** Measures clips of prompts, `clips[seed][prompt]`, by all measures of a world; `onClip` is called after each clip. */
export async function measure(
  { world, judges }: { readonly world: World; readonly judges: Judges },
  clips: readonly (readonly Clip[])[],
  prompts: readonly string[],
  onClip: () => void = () => undefined,
): Promise<Measures> {
  const pause = async (): Promise<void> => {
    onClip();
    await setImmediate();
  };
  const columns = new Map(world.measures.map(({ id }) => [id, [] as (readonly number[])[]]));
  for (const some of clips) {
    if (some.length !== prompts.length) {
      throw new RangeError(`clips: wanted one for each of ${prompts.length} prompts, received ${some.length}`);
    }
    for (const { id, score } of world.measures) {
      columns.get(id)?.push(await score({ clips: some, prompts, judges, onClip: pause }));
    }
  }
  const rows = (seeds: readonly (readonly number[])[]): Scores => prompts.map((_, i) => seeds.map((seed) => seed[i]!));
  return Object.fromEntries([...columns].map(([id, seeds]) => [id, rows(seeds)]));
}

/** Estimate and 95% interval of every measure, resampling prompts. */
export function summarise(measures: Measures, seed: number): Summary {
  return mapValues(measures, (scores) => bootstrap(scores, { seed }));
}

/** First minus second of each pair of outcomes that are both there, by {@link differenceId}. */
export function differencesOf(
  pairs: readonly (readonly [first: DemoOutcomeId, second: DemoOutcomeId])[],
  outcomes: Readonly<Record<string, Pick<Outcome, 'measures'>>>,
  seed: number,
): Record<string, Difference> {
  const there = pairs.filter((ids) => ids.every((id) => outcomes[id]));
  return Object.fromEntries(
    there.map(([first, second]) => [
      differenceId(first, second),
      compareOutcomes(outcomes[first]!, outcomes[second]!, seed),
    ]),
  );
}

/** The key of a difference in results. */
export function differenceId(first: DemoOutcomeId, second: DemoOutcomeId): string {
  return `${first} - ${second}`;
}

/** Paired differences of every measure, first minus second, with intervals over prompts. */
export function compareOutcomes(
  first: Pick<Outcome, 'measures'>,
  second: Pick<Outcome, 'measures'>,
  seed: number,
): Difference {
  return mapValues(first.measures, (scores, id) => pairedDifference(scores, second.measures[id]!, { seed }));
}

/** Real clips that show what the prompts say, of things never trained on: the measure of what can be reached. */
export function realClips(world: World, prompts: readonly string[], seed: number): Clip[] {
  return prompts.map((prompt, i) => world.clip(i, { seed, split: 'test', prompt }).clip);
}

/** The same keys with other values. */
export function mapValues<From, To>(
  from: Readonly<Record<string, From>>,
  map: (value: From, key: string) => To,
): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([key, value]) => [key, map(value, key)]));
}
