/** The record of a demo: what its students made and scored, beside teacher and real clips. */
import { setImmediate } from 'node:timers/promises';
import { rewardCurve } from '../../evaluate/index.ts';
import type { VideoCodec } from '../../io/index.ts';
import { packageVersion } from '../../io/internal.ts';
import type { Manifest } from '../networks/shipped.ts';
import { differencesOf, type Outcome } from './compare.ts';
import { realClips } from './illustrations.ts';
import { type Judges, measure, summarise } from './measure.ts';
import { type DemoResults, engineUsed, measureVariants, type StepCurves, weightsUsed } from './results.ts';

/** What a demo ran on and what came of it. */
export interface DemoRecord {
  manifest: Manifest;
  prompts: readonly string[];
  seeds: number;
  /** By title; those that are compared must have been evaluated on the same prompts and seeds. */
  outcomes: Readonly<Record<string, Outcome>>;
  /** Numbers of each training step, by run. */
  curves: Readonly<Record<string, StepCurves>>;
  codec: VideoCodec;
}

/** What is compared, first minus second, where both are there. */
const PAIRS = [
  ['phase 1', 'teacher'],
  ['phase 2', 'phase 1'],
  ['short phase 1', 'before phase 1'],
  ['short phase 2', 'phase 1'],
] as const;

/** The numbers of a demo with what they were made with: the same bits for the same seed, engine and weights. */
export async function demoResults(record: DemoRecord, judges: Judges): Promise<DemoResults> {
  const { manifest, prompts, seeds, outcomes, curves, codec } = record;
  const { seed } = manifest.recipe;
  const real = summarise(await measure([realClips(prompts, seed)], prompts, judges), seed);
  await setImmediate();
  return {
    format: 1,
    version: packageVersion(),
    seed,
    engine: engineUsed(),
    weights: weightsUsed(manifest),
    codec,
    prompts,
    seeds,
    measures: measureVariants(),
    outcomes: { 'real clips': real, ...mapValues(outcomes, ({ summary }) => summary) },
    differences: differencesOf(PAIRS, outcomes, seed),
    rewardPerFrame: await rewardsPerFrame(outcomes, prompts, judges),
    curves,
  };
}

async function rewardsPerFrame(
  outcomes: DemoRecord['outcomes'],
  prompts: readonly string[],
  { reward }: Judges,
): Promise<DemoResults['rewardPerFrame']> {
  const curves: Record<string, readonly number[]> = {};
  for (const [title, { clips }] of Object.entries(outcomes)) {
    curves[title] = (await rewardCurve(clips[0]!, prompts, reward)).mean;
  }
  return curves;
}

function mapValues<From, To>(from: Readonly<Record<string, From>>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, value]) => [name, map(value)]));
}
