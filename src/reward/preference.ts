/** Losses of preference pairs, and how well scores agree with preferences. */
import { type Tensor, tf } from '../engine/tf.ts';
import { meanAndStd } from './combine.ts';

/**
 * Bradley-Terry loss of pairs: mean softplus(-(better - worse)), computed without overflow.
 * `better` and `worse` are [B]; returns a scalar. Source: ImageReward, equation 1.
 */
export function bradleyTerry(better: Tensor, worse: Tensor): Tensor {
  return tf.mean(softplus(tf.sub(worse, better)));
}

/**
 * Bradley-Terry loss of pairs of which some are ties: with d = first - second and P(first wins) = sigmoid(d - ln k), the mean of
 * `-log P` of what was preferred; the tie has what two wins leave, (k^2 - 1) P(first wins) P(second wins).
 * `first` and `second` are scores [B], `preferred` [B] is 1, -1 or 0 for a tie, `k` above 1 is how readily ties are given.
 * Source: Liu et al. 2025, arXiv 2501.13918 (VideoAlign's `btt`); Rao and Kupper 1967.
 */
export function bradleyTerryTies(first: Tensor, second: Tensor, preferred: Tensor, k: number = 5): Tensor {
  if (!(k > 1)) throw new RangeError(`k is ${k}; wanted a number above 1`);
  return tf.tidy(() => {
    const difference = tf.sub(first, second);
    const lost = (d: Tensor): Tensor => softplus(tf.sub(Math.log(k), d));
    const win = lost(tf.mul(difference, preferred));
    const tie = tf.sub(tf.add(lost(difference), lost(tf.neg(difference))), Math.log(k ** 2 - 1));
    return tf.mean(tf.where(tf.equal(preferred, 0), tie, win));
  });
}

/** log(1 + exp(x)) as max(0, x) + log1p(exp(-|x|)). */
function softplus(x: Tensor): Tensor {
  return tf.add(tf.relu(x), tf.log1p(tf.exp(tf.neg(tf.abs(x)))));
}

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
  const right = strict.filter(({ first, second, preferred }) => Math.sign(first - second) === preferred);
  return right.length / strict.length;
}

/**
 * Accuracy with ties: |first - second| <= threshold predicts a tie, and the threshold is the one that makes most pairs
 * right. O(N log N). Source: arXiv 2305.14324.
 */
export function accuracyWithTies(pairs: readonly JudgedPair[]): { accuracy: number; threshold: number } {
  if (pairs.length === 0) throw new RangeError('accuracyWithTies received no pair; wanted at least one');
  checkScores(pairs);
  const told = ({ first, second, preferred }: JudgedPair) => {
    return { margin: Math.abs(first - second), preferred, sign: Math.sign(first - second) };
  };
  const sorted = pairs.map(told).sort((a, b) => a.margin - b.margin);
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

/** Spearman's rank correlation, ties by mean rank; 0 when one side is constant. */
export function spearman(a: readonly number[], b: readonly number[]): number {
  checkLengths(a, b);
  return pearson(meanRanks(a), meanRanks(b));
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
