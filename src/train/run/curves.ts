/** Training curves thinned for shipping: what each stage reported, at most a hundred points of it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface StageCurve {
  step: number[];
  values: Record<string, number[]>;
  /** What a probe measured, at the steps at which it did. */
  probed?: { step: number[]; values: Record<string, number[]> };
}

export type TrainingCurves = Readonly<Record<string, StageCurve>>;

const POINTS = 100;

/** Reads `metrics.jsonl` of a run folder's stages, each point the mean of its stretch of steps. */
export async function trainingCurves(folder: string, stages: readonly string[]): Promise<TrainingCurves> {
  const curves: Record<string, StageCurve> = {};
  for (const stage of stages) {
    const file = join(folder, stage, 'metrics.jsonl');
    const text = await readFile(file, 'utf8').catch(() => '');
    const lines = text.split('\n').filter((line) => line !== '');
    if (lines.length > 0) curves[stage] = thinned(lines.map((line, i) => metricsIn(line, `${file}, line ${i + 1}`)));
  }
  return curves;
}

interface Metrics {
  step: number;
  loss: number;
  gradNorm: number;
  values: Record<string, number>;
  probed?: Record<string, number>;
}

function metricsIn(line: string, place: string): Metrics {
  try {
    return JSON.parse(line) as Metrics;
  } catch (error) {
    throw new Error(
      `${place}: is no JSON (${(error as Error).message}); run the stage again, which drops broken lines`,
    );
  }
}

function thinned(all: readonly Metrics[]): StageCurve {
  const stride = Math.ceil(all.length / POINTS);
  const starts = Array.from({ length: Math.ceil(all.length / stride) }, (_, i) => i * stride);
  const parts = starts.map((at) => all.slice(at, at + stride));
  const names = ['loss', 'gradNorm', ...Object.keys(all[0]!.values)];
  const curve = (name: string): number[] => parts.map((part) => meanOf(part, name));
  const probed = probedIn(all);
  return {
    step: parts.map((part) => part.at(-1)!.step),
    values: Object.fromEntries(names.map((name) => [name, curve(name)])),
    ...(probed && { probed }),
  };
}

function probedIn(all: readonly Metrics[]): StageCurve['probed'] | null {
  const found = all.flatMap(({ step, probed }) => (probed ? [{ step, probed }] : []));
  if (found.length === 0) return null;
  const names = Object.keys(found[0]!.probed);
  return {
    step: found.map(({ step }) => step),
    values: Object.fromEntries(names.map((name) => [name, found.map(({ probed }) => probed[name] ?? Number.NaN)])),
  };
}

function meanOf(part: readonly Metrics[], name: string): number {
  const sum = part.reduce((total, { loss, gradNorm, values }) => {
    const all: Readonly<Record<string, number>> = { ...values, loss, gradNorm };
    return total + (all[name] ?? Number.NaN);
  }, 0);
  return Number((sum / part.length).toPrecision(6));
}
