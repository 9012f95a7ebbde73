import { random } from '../../nn/index.ts';
import {
  type BootstrapOptions,
  bootstrap,
  type Interval,
  mean,
  normalQuantile,
  promptMean,
  resamples,
  type Scores,
} from './bootstrap.ts';

/** Wilson score interval of `successes` out of `trials`, for shares such as dynamic degree. */
export function wilson(successes: number, trials: number, level: number = 0.95): Interval {
  if (!(trials > 0 && successes >= 0 && successes <= trials)) {
    throw new RangeError(`wilson received ${successes} of ${trials}; wanted 0 <= successes <= trials and trials > 0`);
  }
  const z = normalQuantile((1 + level) / 2);
  const share = successes / trials;
  const shrink = 1 + z ** 2 / trials;
  const centre = (share + z ** 2 / (2 * trials)) / shrink;
  const half = (z / shrink) * Math.sqrt((share * (1 - share)) / trials + z ** 2 / (4 * trials ** 2));
  return { estimate: share, low: centre - half, high: centre + half, level, kind: 'wilson' };
}

/** Two models on the same prompts and seeds. */
export interface PairedComparison extends Interval {
  /** Share of bootstrap draws with a positive difference. */
  positive: number;
  /** Two-sided sign-flip permutation test over prompts. */
  pValue: number;
}

/**
 * First minus second: mean over prompts of the mean difference over seeds, its bootstrap interval, and the p-value of
 * flipping the sign of whole prompts. Both score tables must have the same rows and row lengths.
 */
export function pairedDifference(first: Scores, second: Scores, options: BootstrapOptions = {}): PairedComparison {
  const differences = subtract(first, second);
  const { resamples: count = 2000, seed = 0 } = options;
  const draws = Array.from(resamples(differences, count, seed), promptMean);
  const positive = draws.filter((value) => value > 0).length / count;
  return { ...bootstrap(differences, options), positive, pValue: signFlip(differences, count, seed) };
}

function subtract(first: Scores, second: Scores): number[][] {
  if (first.length !== second.length) {
    throw new RangeError(
      `pairedDifference received ${first.length} and ${second.length} prompts; wanted the same prompts`,
    );
  }
  return first.map((row, i) => {
    const other = second[i]!;
    if (row.length !== other.length) {
      throw new RangeError(`prompt ${i} has ${row.length} and ${other.length} seeds; wanted the same seeds`);
    }
    return row.map((value, j) => value - other[j]!);
  });
}

/** Share of sign patterns (the observed one included) with a mean at least as far from 0. */
function signFlip(differences: Scores, draws: number, seed: number | string): number {
  const means = differences.map(mean);
  const observed = Math.abs(means.reduce((sum, value) => sum + value, 0));
  const root = random.key(seed).stream('sign-flip');
  let extreme = 1;
  for (let draw = 0; draw < draws; draw++) {
    const flips = root.stream(draw).integers(0, 2, means.length);
    const sum = means.reduce((total, value, i) => total + (flips[i] === 1 ? value : -value), 0);
    if (Math.abs(sum) >= observed - 1e-12) extreme++;
  }
  return extreme / (draws + 1);
}

/** Holm's step-down correction: adjusted p-values in the order given, for a stated family of metrics. */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => pValues[a]! - pValues[b]!);
  const adjusted = new Array<number>(pValues.length);
  let running = 0;
  for (const [rank, i] of order.entries()) {
    running = Math.max(running, Math.min(1, pValues[i]! * (pValues.length - rank)));
    adjusted[i] = running;
  }
  return adjusted;
}
