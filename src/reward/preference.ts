/** Losses of preference pairs and ranked lists. */
import { type Tensor, type Tensor1D, tf } from '../engine/tf.ts';

/**
 * Bradley-Terry loss of pairs: mean softplus(-(better - worse)), computed without overflow.
 * `better` and `worse` are [B]; returns a scalar. Source: ImageReward, equation 1.
 */
export function bradleyTerry(better: Tensor, worse: Tensor): Tensor {
  return tf.mean(softplus(tf.sub(worse, better)));
}

/**
 * The same loss over a ranked list: the mean over all pairs of unequal rank, each item scored once.
 * `scores` [K]; `ranks` of K numbers, smaller is better. Throws when all ranks are equal.
 */
export function rankingLoss(scores: Tensor, ranks: readonly number[]): Tensor {
  if (scores.shape[0] !== ranks.length) {
    throw new Error(
      `rankingLoss received scores [${scores.shape}] and ${ranks.length} ranks; wanted one rank for each score`,
    );
  }
  const pairs = ranks.flatMap((rank, i) => ranks.flatMap((other, j) => (rank < other ? [[i, j] as const] : [])));
  if (pairs.length === 0)
    throw new Error('rankingLoss received equal ranks only; wanted at least one pair to tell apart');
  const pick = (side: 0 | 1): Tensor =>
    tf.gather(
      scores as Tensor1D,
      pairs.map((pair) => pair[side]),
    );
  return bradleyTerry(pick(0), pick(1));
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
