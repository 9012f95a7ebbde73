/** Students and teacher side by side on the same prompts, seeds and noise. */
import * as digits from '../dataset/digits/index.ts';
import type { Interval } from '../evaluate/index.ts';
import { type PairedComparison, pairedDifference } from '../evaluate/index.ts';
import type { Clip } from '../io/index.ts';
import type { WanConfig } from '../model/index.ts';
import { random } from '../nn/index.ts';
import { distilledDraw, generateAll, type Net, type Studio, studentDraw, teacherDraw } from './generate.ts';
import { type Judges, MEASURES, type MeasureName, type Measures, measure, summarise } from './measure.ts';

/** A network to compare and how it is sampled. */
export interface Contestant {
  title: string;
  net: Net<WanConfig>;
  kind: 'teacher' | 'distilled' | 'student';
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
  /** Called before each batch of work. */
  onProgress?: (title: string, seed: number) => void;
}

/** `count` prompts spread over all labels: the fixed set of every comparison. */
export function evaluationPrompts(count: number): string[] {
  return digits.prompts('all', count);
}

/** Generates and measures clips of one contestant. */
export async function evaluateContestant(
  studio: Studio & Judges,
  { title, net, kind }: Contestant,
  { prompts, seeds, onProgress }: CompareOptions,
): Promise<Outcome> {
  const draw = { teacher: teacherDraw, distilled: distilledDraw, student: studentDraw }[kind](studio, net);
  const clips: Clip[][] = [];
  for (let seed = 0; seed < seeds; seed++) {
    onProgress?.(title, seed);
    clips.push(
      await generateAll(studio, draw, prompts, random.key(studio.recipe.seed).stream('evaluation').stream(seed)),
    );
  }
  const measures = await measure(clips, prompts, studio);
  return { title, clips, measures, summary: summarise(measures, studio.recipe.seed) };
}

/** Paired differences of every measure, first minus second, with intervals over prompts. */
export function compareOutcomes(first: Outcome, second: Outcome, seed: number): Record<MeasureName, PairedComparison> {
  const entries = MEASURES.map(
    (name) => [name, pairedDifference(first.measures[name], second.measures[name], { seed })] as const,
  );
  return Object.fromEntries(entries) as Record<MeasureName, PairedComparison>;
}
