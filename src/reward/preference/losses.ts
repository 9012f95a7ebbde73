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

/** Pictures with what they show. */
export interface ShownPictures {
  /** [B, H, W, 3] in [0, 1] */
  pictures: Tensor;
  /** int32 [B] */
  digit: Tensor;
  /** int32 [B] */
  colour: Tensor;
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
 * Cross-entropies of telling digit and colour from the patch tokens, added and averaged over pictures: the pre-training
 * of the image tower.
 */
export function attributeLoss(weights: Weights, config: SmallRewardConfig, batch: ShownPictures): Tensor {
  return entropies(weights, encodeFrames(weights, config, batch.pictures), batch);
}

function entropies(weights: Weights, image: Tensor, shown: Omit<ShownPictures, 'pictures'>): Tensor {
  const { digit, colour } = attributeLogits(weights, image);
  return tf.mean(tf.add(softmaxCrossEntropy(digit, shown.digit), softmaxCrossEntropy(colour, shown.colour)));
}

/**
 * Loss of the small reward: Bradley-Terry plus `attributeWeight` times the attribute loss. Without the second part only
 * picture quality is learnt; it stands in for the pre-training that a large reward starts from.
 *
 * @param batch - 2B pictures, better sides first, with their captions as int32 tokens [2B, L]
 */
export function preferenceLoss(
  weights: Weights,
  config: SmallRewardConfig,
  batch: ShownPictures & { tokens: Tensor },
  attributeWeight: number = 0.5,
): PreferenceLoss {
  const image = encodeFrames(weights, config, batch.pictures);
  const scores = scoreCaptions(weights, config, batch.tokens, image);
  const [better, worse] = tf.split(scores, 2) as [Tensor, Tensor];
  const preference = bradleyTerry(better, worse);
  const attributes = entropies(weights, image, batch);
  const accuracy = tf.mean(tf.cast(tf.greater(better, worse), 'float32'));
  return { loss: tf.add(preference, tf.mul(attributes, attributeWeight)), preference, attributes, accuracy };
}
