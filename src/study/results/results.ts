/** What was measured, as data: numbers and what they were made with; no times, so that two runs give the same bytes. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { report as engineReport } from '../../engine/index.ts';
import { type Interval, rewardCurve } from '../../evaluate/index.ts';
import { type VideoCodec, writeAtomic } from '../../io/index.ts';
import { packageVersion } from '../../io/internal.ts';
import { meanAndStd } from '../../reward/internal.ts';
import type { TrainingCurves } from '../../train/internal.ts';
import type { Claim, World } from '../../world/index.ts';
import type { Manifest } from '../networks/manifest.ts';
import type { OpenedNetworks } from '../networks/networks.ts';
import {
  type Difference,
  differenceId,
  differencesOf,
  type Measures,
  mapValues,
  measure,
  type Outcome,
  realClips,
  type Summary,
  summarise,
} from './outcomes.ts';
import { claimsMarkdown } from './tables.ts';

/** What computed the numbers. */
export interface EngineUsed {
  name: string;
  device: string;
  threads: number;
  precision: string;
  versions: Readonly<Record<string, string>>;
  /** Kernels that ran on the reference engine instead, with their number of calls. */
  fallbacks: Readonly<Record<string, number>>;
}

/** Numbers of each training step, by name. */
export type StepCurves = Readonly<Record<string, readonly number[]>>;

/** `results.json` of the demo. */
export interface DemoResults {
  format: 1;
  version: string;
  seed: number;
  engine: EngineUsed;
  /** Where the weights came from; checksums by name. */
  weights: Pick<Manifest, 'command' | 'seed' | 'commit' | 'engine'> & {
    recipe: string;
    sha256: Record<string, string>;
  };
  codec: VideoCodec;
  prompts: readonly string[];
  seeds: number;
  /** How each measure is computed. */
  measures: Readonly<Record<string, string>>;
  /** 95% intervals by bootstrap over prompts. */
  outcomes: Readonly<Record<string, Summary>>;
  /** First minus second on the same prompts, seeds and noise. */
  differences: Readonly<Record<string, Difference>>;
  /** Mean reward of each frame. */
  rewardPerFrame: Readonly<Record<string, readonly number[]>>;
  /** Numbers of each step of the short runs. */
  curves: Readonly<Record<string, StepCurves>>;
}

/** A claim with what a run found. */
export interface JudgedClaim extends Pick<Claim, 'claim' | 'measure' | 'atLeast'> {
  /** What it is read from: the id of an outcome or of a difference. */
  source: string;
  found: Pick<Interval, 'estimate' | 'low' | 'high'>;
  /** `shown` when the whole interval satisfies it, `estimate only` when the estimate does, else `not shown`. */
  verdict: 'shown' | 'estimate only' | 'not shown';
}

/** `results.json` of a run from scratch. */
export interface ScratchResults extends Pick<DemoResults, 'format' | 'version' | 'seed' | 'engine' | 'seeds'> {
  recipe: string;
  /** Checksums of the networks compared, by name. */
  sha256: Readonly<Record<string, string>>;
  prompts: number;
  /** Prompts that no network was trained on, and samples of each. */
  heldOut: { prompts: number; seeds: number };
  measures: DemoResults['measures'];
  outcomes: DemoResults['outcomes'];
  differences: DemoResults['differences'];
  claims: readonly JudgedClaim[];
}

/** What a demo ran on and what came of it. */
export interface DemoRecord {
  prompts: readonly string[];
  seeds: number;
  /** By id; those that are compared must have been evaluated on the same prompts and seeds. */
  outcomes: Readonly<Record<string, Outcome>>;
  /** Numbers of each training step, by run. */
  curves: Readonly<Record<string, StepCurves>>;
  codec: VideoCodec;
}

/** What a demo compares, first minus second, where both are there. */
const PAIRS = [
  ['phase 1', 'teacher'],
  ['phase 2', 'phase 1'],
  ['short phase 1', 'before phase 1'],
  ['short phase 2', 'phase 1'],
] as const;

/** The numbers of a demo with what they were made with: the same bits for the same seed, engine and weights. */
export async function demoResults(nets: OpenedNetworks, record: DemoRecord): Promise<DemoResults> {
  const { prompts, seeds, outcomes, curves, codec } = record;
  const { manifest, recipe, world } = nets;
  const { seed } = recipe;
  const real = summarise(await measure(nets, [realClips(world, prompts, seed)], prompts), seed);
  await setImmediate();
  const { command, commit, engine, files } = manifest;
  return {
    format: 1,
    version: packageVersion(),
    seed,
    engine: engineUsed(),
    weights: {
      command,
      seed: manifest.seed,
      commit,
      engine,
      recipe: recipe.name,
      sha256: mapValues(files, ({ sha256 }) => sha256),
    },
    codec,
    prompts,
    seeds,
    measures: measureVariants(world),
    outcomes: { 'real clips': real, ...mapValues(outcomes, ({ summary }) => summary) },
    differences: differencesOf(PAIRS, outcomes, seed),
    rewardPerFrame: await rewardsPerFrame(nets, record),
    curves,
  };
}

async function rewardsPerFrame(
  { reward }: OpenedNetworks,
  { outcomes, prompts }: DemoRecord,
): Promise<DemoResults['rewardPerFrame']> {
  const curves: Record<string, readonly number[]> = {};
  for (const [id, { clips }] of Object.entries(outcomes)) {
    curves[id] = (await rewardCurve(clips[0]!, prompts, reward)).mean;
  }
  return curves;
}

/** The engine in use, without what changes from run to run. */
export function engineUsed(): EngineUsed {
  const { name, device, threads, precision, versions, fallbacks } = engineReport();
  return { name, device, threads, precision, versions, fallbacks };
}

/** How each measure of a world is computed, by id. */
export function measureVariants({ measures }: World): DemoResults['measures'] {
  return Object.fromEntries(measures.map(({ id, variant }) => [id, variant]));
}

/** Each claim of a world with what was found; `measured` are the scores behind the outcomes. */
export function judgeClaims(
  { claims }: Pick<World, 'claims'>,
  { outcomes, differences }: Pick<ScratchResults, 'outcomes' | 'differences'>,
  measured: Readonly<Record<string, Measures>>,
): JudgedClaim[] {
  return claims.map(({ claim, of, minus, measure, atLeast, inDeviationsOf }) => {
    const source = minus === undefined ? of : differenceId(of, minus);
    const all = minus === undefined ? outcomes[source] : differences[source];
    const interval = all?.[measure];
    if (!interval)
      throw new Error(`claim "${claim}": there is no measure "${measure}" of "${source}"; compare it first`);
    const unit = inDeviationsOf === undefined ? 1 : meanAndStd(measured[inDeviationsOf]![measure]!.flat()).std;
    const [estimate, low, high] = [interval.estimate / unit, interval.low / unit, interval.high / unit];
    const verdict = low >= atLeast ? 'shown' : estimate >= atLeast ? 'estimate only' : 'not shown';
    return { claim, source, measure, atLeast, found: { estimate, low, high }, verdict };
  });
}

/** JSON as it is written to disk. */
export function toJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** What the run that trained shipped weights found, null where it did not come along. */
export interface Published {
  results: ScratchResults | null;
  curves: TrainingCurves | null;
}

/** Reads the results and training curves that lie beside shipped weights. */
export async function readPublished(folder: string): Promise<Published> {
  return { results: await readJson(folder, 'results.json'), curves: await readJson(folder, 'curves.json') };
}

/** Writes results, the table of their claims in Markdown, and curves beside shipped weights. */
export async function writePublished(folder: string, world: World, { results, curves }: Published): Promise<void> {
  if (results) {
    await writeAtomic(join(folder, 'results.json'), toJson(results));
    await writeAtomic(join(folder, 'results.md'), claimsMarkdown(world, results.claims));
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
