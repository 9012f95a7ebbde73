/** Means with intervals by the nested bootstrap over prompts and seeds; two models on the same prompts. */
import { random } from '../nn/index.ts';

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}

/** Items by what `keyOf` says of each, in their order. */
export function grouped<T, K>(items: readonly T[], keyOf: (item: T, index: number) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const [i, item] of items.entries()) {
    const key = keyOf(item, i);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}

/** Standard normal distribution function (Abramowitz and Stegun 7.1.26 on erf, error below 2e-7). */
export function normalCdf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x / Math.SQRT2));
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - poly * Math.exp((-x * x) / 2);
  return x < 0 ? (1 - erf) / 2 : (1 + erf) / 2;
}

/** Inverse of `normalCdf` by bisection, for p in (0, 1); error below 1e-6 in the middle range. */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) throw new RangeError(`p is ${p}; wanted a probability between 0 and 1, both excluded`);
  let [low, high] = [-9, 9];
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (normalCdf(middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** An estimate with its interval; stored with every figure. */
export interface Interval {
  estimate: number;
  low: number;
  high: number;
  /** Confidence level, 0.95 unless said otherwise. */
  level: number;
  kind: 'percentile' | 'bca' | 'wilson';
}

export interface BootstrapOptions {
  /** Draws: 2000 for figures, 10000 for tables. @defaultValue 2000 */
  resamples?: number;
  /** @defaultValue 0.95 */
  level?: number;
  /** @defaultValue 0 */
  seed?: number | string;
  /** `bca` corrects bias and skew and is the default below 30 prompts; `percentile` above. */
  kind?: 'percentile' | 'bca';
}

/** Scores of one metric: a row per prompt, an entry per seed. */
export type Scores = readonly (readonly number[])[];

const FEW_PROMPTS = 30;

/** Mean over prompts of the mean over seeds. */
export function promptMean(scores: Scores): number {
  return mean(scores.map(mean));
}

/**
 * Interval of a statistic of scores by resampling prompts with replacement and, inside each, seeds with replacement.
 * @throws without a prompt or with a prompt without seeds.
 * Source: Efron and Tibshirani 1993, chapters 13 and 14.
 */
export function bootstrap(
  scores: Scores,
  options: BootstrapOptions = {},
  statistic: (scores: Scores) => number = promptMean,
): Interval {
  checkScores(scores);
  const {
    resamples: count = 2000,
    level = 0.95,
    seed = 0,
    kind = scores.length < FEW_PROMPTS ? 'bca' : 'percentile',
  } = options;
  const draws = Array.from(resamples(scores, count, seed), statistic).sort((a, b) => a - b);
  const estimate = statistic(scores);
  const tails: [number, number] = [(1 - level) / 2, (1 + level) / 2];
  const [low, high] = kind === 'bca' ? corrected(tails, draws, estimate, jackknife(scores, statistic)) : tails;
  return { estimate, low: percentile(draws, low), high: percentile(draws, high), level, kind };
}

/** Nested resamples of the scores, one after the other: a large evaluation has too many numbers to hold them all. */
export function* resamples(scores: Scores, count: number, seed: number | string): Generator<Scores, void> {
  const root = random.key(seed).stream('bootstrap');
  const seeds = scores.reduce((total, row) => Math.max(total, row.length), 0);
  for (let draw = 0; draw < count; draw++) {
    const u = root.stream(draw).uniform([scores.length * (1 + seeds)]).data;
    yield scores.map((_, i) => {
      const row = scores[Math.floor(u[i * (1 + seeds)]! * scores.length)]!;
      return row.map((_, j) => row[Math.floor(u[i * (1 + seeds) + 1 + j]! * row.length)]!);
    });
  }
}

/** Linear interpolation between order statistics at p (n - 1). `sorted` ascends. */
export function percentile(sorted: readonly number[], p: number): number {
  const at = p * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below]!;
  return low + (at - below) * ((sorted[below + 1] ?? low) - low);
}

function jackknife(scores: Scores, statistic: (scores: Scores) => number): number[] {
  if (scores.length === 1) return [statistic(scores)];
  return scores.map((_, i) => statistic(scores.filter((_, j) => j !== i)));
}

/** Percentile levels with bias z0 and acceleration a: Phi(z0 + (z0 + z) / (1 - a (z0 + z))). */
function corrected(
  tails: [number, number],
  draws: readonly number[],
  estimate: number,
  left: number[],
): [number, number] {
  const below =
    draws.filter((value) => value < estimate).length + draws.filter((value) => value === estimate).length / 2;
  const share = Math.min(Math.max(below / draws.length, 0.5 / draws.length), 1 - 0.5 / draws.length);
  const bias = normalQuantile(share);
  const centre = mean(left);
  const cubes = left.reduce((sum, value) => sum + (centre - value) ** 3, 0);
  const squares = left.reduce((sum, value) => sum + (centre - value) ** 2, 0);
  const acceleration = squares === 0 ? 0 : cubes / (6 * squares ** 1.5);
  const moved = (tail: number): number => {
    const z = bias + normalQuantile(tail);
    return normalCdf(bias + z / (1 - acceleration * z));
  };
  return [moved(tails[0]), moved(tails[1])];
}

function checkScores(scores: Scores): void {
  if (scores.length === 0) throw new RangeError('scores is empty; wanted a row per prompt');
  const bare = scores.findIndex((row) => row.length === 0);
  if (bare >= 0) throw new RangeError(`scores of prompt ${bare} are empty; wanted an entry per seed`);
}

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
