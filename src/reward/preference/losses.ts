import { softmaxCrossEntropy } from '../../engine/ops/index.ts';
import { type Tensor, type Tensor1D, tf } from '../../engine/tf.ts';
import type { Weights } from '../../nn/index.ts';
import type { SmallRewardConfig } from '../small/config.ts';
import { attributeLogits, encodeFrames, scoreCaptions } from '../small/model.ts';

/**
 * Bradley-Terry loss of pairs: mean softplus(-(better - worse)), computed as max(0, -d) + log1p(exp(-|d|)).
 * `better` and `worse` are [B]; returns a scalar. Source: ImageReward, equation 1.
 */
export function bradleyTerry(better: Tensor, worse: Tensor): Tensor {
  const difference = tf.sub(better, worse);
  const stable = tf.add(tf.relu(tf.neg(difference)), tf.log1p(tf.exp(tf.neg(tf.abs(difference)))));
  return tf.mean(stable);
}

/**
 * The same loss over a ranked list: the mean over all pairs of unequal rank, each item scored once.
 * `scores` [K]; `ranks` of K numbers, smaller is better. Throws when all ranks are equal.
 */
export function rankingLoss(scores: Tensor, ranks: readonly number[]): Tensor {
  if (scores.shape[0] !== ranks.length) {
    throw new Error(`rankingLoss got scores [${scores.shape}] and ${ranks.length} ranks; want one rank for each score`);
  }
  const pairs = ranks.flatMap((rank, i) => ranks.flatMap((other, j) => (rank < other ? [[i, j] as const] : [])));
  if (pairs.length === 0) throw new Error('rankingLoss got equal ranks only; want at least one pair to tell apart');
  const pick = (side: 0 | 1): Tensor =>
    tf.gather(
      scores as Tensor1D,
      pairs.map((pair) => pair[side]),
    );
  return bradleyTerry(pick(0), pick(1));
}

/** Keeps raw scores near 0, which the loss leaves free: mean (better + worse)^2. */
export function centring(better: Tensor, worse: Tensor): Tensor {
  return tf.mean(tf.square(tf.add(better, worse)));
}

/** Loss of one preference batch and its parts, all scalars. */
export interface PreferenceLoss {
  loss: Tensor;
  preference: Tensor;
  attributes: Tensor;
  /** Share of pairs ordered rightly. */
  accuracy: Tensor;
}

/**
 * Loss of the small reward: Bradley-Terry plus `attributeWeight` times the cross-entropies of the digit and colour of
 * all pictures. Without the second part only picture quality is learnt; it stands in for the pre-training that
 * a large reward starts from.
 *
 * @param pictures - [2B, H, W, 3], better sides first
 * @param tokens - int32 [2B, L]
 * @param digit - int32 [2B], what each picture shows
 * @param colour - int32 [2B]
 */
export function preferenceLoss(
  weights: Weights,
  config: SmallRewardConfig,
  batch: { pictures: Tensor; tokens: Tensor; digit: Tensor; colour: Tensor },
  attributeWeight: number = 0.5,
): PreferenceLoss {
  const image = encodeFrames(weights, config, batch.pictures);
  const scores = scoreCaptions(weights, config, batch.tokens, image);
  const [better, worse] = tf.split(scores, 2) as [Tensor, Tensor];
  const preference = bradleyTerry(better, worse);
  const { digit, colour } = attributeLogits(weights, image);
  const entropies = tf.add(softmaxCrossEntropy(digit, batch.digit), softmaxCrossEntropy(colour, batch.colour));
  const attributes = tf.mean(entropies);
  const accuracy = tf.mean(tf.cast(tf.greater(better, worse), 'float32'));
  return { loss: tf.add(preference, tf.mul(attributes, attributeWeight)), preference, attributes, accuracy };
}
