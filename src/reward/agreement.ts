/** How well scores agree with preferences. */
import { meanAndStd } from './combine.ts';

/** A judged pair: the model's two scores and who was preferred (0 for a tie). */
export interface JudgedPair {
  first: number;
  second: number;
  /** 1: first preferred, -1: second preferred, 0: tie. */
  preferred: 1 | -1 | 0;
}

/** Share of the pairs without a tie that the scores order rightly; equal scores count as wrong. */
export function pairwiseAccuracy(pairs: readonly JudgedPair[]): number {
  checkScores(pairs);
  const strict = pairs.filter(({ preferred }) => preferred !== 0);
  if (strict.length === 0) throw new RangeError('pairwiseAccuracy received no pair without a tie; wanted at least one');
  return (
    strict.filter(({ first, second, preferred }) => Math.sign(first - second) === preferred).length / strict.length
  );
}

/**
 * Accuracy with ties: |first - second| <= threshold predicts a tie, and the threshold is the one that makes most pairs
 * right. O(N log N). Source: arXiv 2305.14324.
 */
export function accuracyWithTies(pairs: readonly JudgedPair[]): { accuracy: number; threshold: number } {
  if (pairs.length === 0) throw new RangeError('accuracyWithTies received no pair; wanted at least one');
  checkScores(pairs);
  const sorted = pairs
    .map(({ first, second, preferred }) => ({
      margin: Math.abs(first - second),
      preferred,
      sign: Math.sign(first - second),
    }))
    .sort((a, b) => a.margin - b.margin);
  let right = sorted.filter(({ preferred, sign }) => preferred !== 0 && preferred === sign).length;
  let best = { accuracy: right / sorted.length, threshold: -1 };
  for (const [i, { margin, preferred, sign }] of sorted.entries()) {
    if (preferred === 0) right++;
    else if (preferred === sign) right--;
    const isLastOfMargin = sorted[i + 1]?.margin !== margin;
    if (isLastOfMargin && right / sorted.length > best.accuracy) {
      best = { accuracy: right / sorted.length, threshold: margin };
    }
  }
  return best;
}

/** Pairs whose scores differ by about as much. */
export interface MarginBucket {
  /** Mean |first - second|. */
  margin: number;
  accuracy: number;
  count: number;
}

/** Accuracy on pairs without a tie, from the smallest difference of scores to the largest, in buckets of equal size. */
export function accuracyByMargin(pairs: readonly JudgedPair[], buckets: number = 5): MarginBucket[] {
  const margin = ({ first, second }: JudgedPair): number => Math.abs(first - second);
  const sorted = pairs.filter(({ preferred }) => preferred !== 0).sort((a, b) => margin(a) - margin(b));
  const bound = (bucket: number): number => Math.round((bucket * sorted.length) / buckets);
  return Array.from({ length: buckets }, (_, i) => sorted.slice(bound(i), bound(i + 1)))
    .filter((bucket) => bucket.length > 0)
    .map((bucket) => ({
      margin: bucket.reduce((sum, pair) => sum + margin(pair), 0) / bucket.length,
      accuracy: pairwiseAccuracy(bucket),
      count: bucket.length,
    }));
}

/** Spearman's rank correlation, ties by mean rank; 0 when one side is constant. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  checkLengths(a, b);
  return pearson(meanRanks(a), meanRanks(b));
}

/** Kendall's tau-b: (concordant - discordant) / sqrt of the products of untied pairs; 0 when one side is constant. */
export function kendall(a: readonly number[], b: readonly number[]): number {
  checkLengths(a, b);
  let [score, untiedA, untiedB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    for (let j = i + 1; j < a.length; j++) {
      const [x, y] = [Math.sign(a[i]! - a[j]!), Math.sign(b[i]! - b[j]!)];
      score += x * y;
      untiedA += Math.abs(x);
      untiedB += Math.abs(y);
    }
  }
  return untiedA === 0 || untiedB === 0 ? 0 : score / Math.sqrt(untiedA * untiedB);
}

/** One bin of a calibration curve. */
export interface CalibrationBin {
  /** Mean sigmoid(first - second) of the bin. */
  predicted: number;
  /** Share in which first was preferred. */
  observed: number;
  count: number;
}

/** How often first wins against how likely the scores say it is, in equal bins of probability; empty bins are left out. */
export function calibration(pairs: readonly JudgedPair[], bins: number = 10): CalibrationBin[] {
  const strict = pairs.filter(({ preferred }) => preferred !== 0);
  const filled = Array.from({ length: bins }, () => ({ predicted: 0, observed: 0, count: 0 }));
  for (const { first, second, preferred } of strict) {
    const probability = 1 / (1 + Math.exp(second - first));
    const bin = filled[Math.min(bins - 1, Math.floor(probability * bins))]!;
    bin.predicted += probability;
    bin.observed += preferred === 1 ? 1 : 0;
    bin.count++;
  }
  return filled
    .filter(({ count }) => count > 0)
    .map(({ predicted, observed, count }) => ({ predicted: predicted / count, observed: observed / count, count }));
}

function checkScores(pairs: readonly JudgedPair[]): void {
  const wrong = pairs.findIndex(({ first, second }) => Number.isNaN(first - second));
  if (wrong < 0) return;
  throw new RangeError(`pair ${wrong} has scores ${pairs[wrong]!.first} and ${pairs[wrong]!.second}; wanted numbers`);
}

function meanRanks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((i, j) => values[i]! - values[j]!);
  const ranks = new Array<number>(values.length);
  for (let start = 0; start < order.length; ) {
    let end = start;
    while (end + 1 < order.length && values[order[end + 1]!] === values[order[start]!]) end++;
    for (let k = start; k <= end; k++) ranks[order[k]!] = (start + end) / 2;
    start = end + 1;
  }
  return ranks;
}

function pearson(a: readonly number[], b: readonly number[]): number {
  const [ma, mb] = [meanAndStd(a).mean, meanAndStd(b).mean];
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += (a[i]! - ma) * (b[i]! - mb);
    aa += (a[i]! - ma) ** 2;
    bb += (b[i]! - mb) ** 2;
  }
  return aa === 0 || bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}

function checkLengths(a: readonly number[], b: readonly number[]): void {
  if (a.length === b.length && a.length >= 2) return;
  throw new RangeError(`received ${a.length} and ${b.length} values; wanted two lists of the same length, two or more`);
}
