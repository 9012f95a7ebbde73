import { softmaxCrossEntropy } from '../../../engine/ops/index.ts';
import { type Tensor, tf } from '../../../engine/tf.ts';
import type { Weights } from '../../../nn/index.ts';
import { bradleyTerry } from '../../../reward/index.ts';
import type { SmallRewardConfig } from './config.ts';
import { attributeLogits, encodeFrames, scoreCaptions } from './model.ts';

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
  return entropies(weights, encodeFrames({ weights, config }, batch.pictures), batch);
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
  const image = encodeFrames({ weights, config }, batch.pictures);
  const scores = scoreCaptions({ weights, config }, batch.tokens, image);
  const [better, worse] = tf.split(scores, 2) as [Tensor, Tensor];
  const preference = bradleyTerry(better, worse);
  const attributes = entropies(weights, image, batch);
  const accuracy = tf.mean(tf.cast(tf.greater(better, worse), 'float32'));
  return { loss: tf.add(preference, tf.mul(attributes, attributeWeight)), preference, attributes, accuracy };
}
