/** What the demo measured, as data: numbers and what they were made with; no times, so that two runs are the same. */
import { report as engineReport } from '../../engine/index.ts';
import type { Interval, PairedComparison } from '../../evaluate/index.ts';
import type { VideoCodec } from '../../io/index.ts';
import type { Manifest } from '../networks/shipped.ts';
import { MEASURES, type MeasureName } from './measure.ts';
import { MEASURE_NOTES } from './measure-notes.ts';

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

/** Estimate and interval of each measure. */
export type Summary = Readonly<Record<MeasureName, Interval>>;
/** Paired difference of each measure. */
export type Difference = Readonly<Record<MeasureName, PairedComparison>>;

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
  measures: Readonly<Record<MeasureName, string>>;
  /** 95% intervals by bootstrap over prompts. */
  outcomes: Readonly<Record<string, Summary>>;
  /** First minus second on the same prompts, seeds and noise. */
  differences: Readonly<Record<string, Difference>>;
  /** Mean reward of each frame. */
  rewardPerFrame: Readonly<Record<string, readonly number[]>>;
  /** Numbers of each step of the short runs. */
  curves: Readonly<Record<string, StepCurves>>;
}

/** A statement about the method, with what the run found. */
export interface Claim {
  claim: string;
  /** What it is read from: an outcome or a difference, and the measure. */
  source: string;
  measure: MeasureName;
  atLeast: number;
  found: Pick<Interval, 'estimate' | 'low' | 'high'>;
  /** `shown` when the whole interval satisfies it, `estimate only` when the estimate does, else `not shown`. */
  verdict: 'shown' | 'estimate only' | 'not shown';
}

/** `results.json` of a run from scratch. */
export interface ScratchResults {
  format: 1;
  version: string;
  seed: number;
  recipe: string;
  engine: EngineUsed;
  /** Checksums of the networks compared, by name. */
  sha256: Readonly<Record<string, string>>;
  prompts: number;
  seeds: number;
  /** Prompts with labels that no network was trained on, and samples of each. */
  heldOut: { prompts: number; seeds: number };
  measures: Readonly<Record<MeasureName, string>>;
  outcomes: Readonly<Record<string, Summary>>;
  differences: Readonly<Record<string, Difference>>;
  claims: readonly Claim[];
}

/** The engine in use, without what changes from run to run. */
export function engineUsed(): EngineUsed {
  const { name, device, threads, precision, versions, fallbacks } = engineReport();
  return { name, device, threads, precision, versions, fallbacks };
}

/** The provenance of a manifest's weights. */
export function weightsUsed({ command, seed, commit, engine, recipe, files }: Manifest): DemoResults['weights'] {
  const sums = Object.entries(files).map(([name, { sha256 }]) => [name, sha256] as const);
  return { command, seed, commit, engine, recipe: recipe.name, sha256: Object.fromEntries(sums) };
}

/** How each measure is computed, by name. */
export function measureVariants(): DemoResults['measures'] {
  const entries = MEASURES.map((name) => [name, MEASURE_NOTES[name].variant] as const);
  return Object.fromEntries(entries) as Record<MeasureName, string>;
}

/** JSON as it is written to disk. */
export function toJson(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
