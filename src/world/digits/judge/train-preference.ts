import { type Tensor, tf } from '../../../engine/tf.ts';
import type { Key, Weights } from '../../../nn/index.ts';
import { learnerConfig, withTensors } from '../../../train/ingredients.ts';
import { Learner, type LearnerOptions } from '../../../train/optimiser/learner.ts';
import { makeUpdate } from '../../../train/optimiser/update.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../../../train/run/stage.ts';
import { digits } from '../../index.ts';
import { SMALL_REWARD, type SmallRewardConfig } from './config.ts';
import { attributeLoss, preferenceLoss, type ShownPictures } from './losses.ts';
import { preferenceBatch } from './pairs.ts';

/** What training the small reward takes. */
export interface PreferenceTrainOptions extends RunOptions, Partial<LearnerOptions> {
  reward: { weights: Weights; config?: SmallRewardConfig };
  /** Pairs per step; twice as many pictures. @defaultValue 32 */
  batch?: number;
  /** So many of the first steps train the image tower alone, to tell digit and colour of pictures. @defaultValue five eighths */
  pretraining?: number;
  /** Weight of telling digit and colour of the pictures. @defaultValue 0.5 */
  attributeWeight?: number;
}

/**
 * Train the small reward on preference pairs of the digit world, drawn afresh for each step: Bradley-Terry plus
 * attribute cross-entropies, after pre-training of the image tower on the attributes. Reports `attributes` and, after
 * the pre-training, `preference` and `accuracy` of the batch. The defaults are AdamW with betas .9 and .98, clip norm
 * 1, and a rate of 1e-3 with 100 steps of warm-up and a cosine fall from the end of the pre-training.
 * Changes the weights in place; afterwards `validatePreferences` gives the accuracy and scale.
 *
 * @example
 * const { weights } = smallRewardNet.init(SMALL_REWARD, random.key('reward'));
 * for await (const { step, values } of train.preference({ reward: { weights }, steps: 1600, seed: 0 })) { ... }
 */
export function preference(options: PreferenceTrainOptions): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

function prepare(options: PreferenceTrainOptions): Stage {
  const { batch = 32, attributeWeight = 0.5, pretraining = pretrainingOf(options), reward } = options;
  const { weights, config: model = SMALL_REWARD } = reward;
  const settings = learnerOptions(options);
  const learner = new Learner('reward', weights, settings);
  const pretrain = makeUpdate(learner, (shown: ShownPictures) => {
    const attributes = attributeLoss(weights, model, shown);
    return { loss: attributes, values: { attributes } };
  });
  const prefer = makeUpdate(learner, (pairs: ShownPictures & { tokens: Tensor }) => {
    const { loss, ...values } = preferenceLoss(weights, model, pairs, attributeWeight);
    return { loss, values };
  });
  const step: Stage['step'] = async (index, key) => [
    index <= pretraining
      ? await withTensors(drawPictures(key.stream('pictures'), 2 * batch), pretrain)
      : await withTensors(drawPairs(key.stream('pairs'), batch, model.textLength), prefer),
  ];
  const config = { ...learnerConfig(settings), batch, attributeWeight, pretraining, model: { ...model } };
  const dispose = (): void => {
    pretrain.dispose();
    prefer.dispose();
  };
  return { name: 'preference', config, learners: [learner], step, dispose };
}

/** Telling digits apart takes longer than the preferences that rest on it. */
function pretrainingOf({ steps }: PreferenceTrainOptions): number {
  return Math.round((5 / 8) * steps);
}

function learnerOptions(options: PreferenceTrainOptions): LearnerOptions {
  const { steps, pretraining = pretrainingOf(options) } = options;
  const schedule = { lr: 1e-3, warmup: 100, decay: { kind: 'cosine', from: pretraining, to: steps } } as const;
  const { lr = schedule, betas = [0.9, 0.98], eps = 1e-8, weightDecay = 0.01, clip = 1 } = options;
  return { lr, betas, eps, weightDecay, clip };
}

function drawPictures(key: Key, count: number): ShownPictures {
  const { data, labels } = digits.pictures(key, count);
  return {
    pictures: tf.tensor4d(data, [count, digits.SIZE, digits.SIZE, 3]),
    digit: tf.tensor1d(
      Int32Array.from(labels, ({ digit }) => digit),
      'int32',
    ),
    colour: tf.tensor1d(
      Int32Array.from(labels, ({ colour }) => digits.COLOUR_NAMES.indexOf(colour)),
      'int32',
    ),
  };
}

function drawPairs(key: Key, size: number, textLength: number): ShownPictures & { tokens: Tensor } {
  const pairs = preferenceBatch(key, size, textLength);
  return {
    pictures: tf.tensor4d(pairs.pictures, [2 * size, digits.SIZE, digits.SIZE, 3]),
    tokens: tf.tensor2d(pairs.tokens, [2 * size, textLength], 'int32'),
    digit: tf.tensor1d(pairs.digits, 'int32'),
    colour: tf.tensor1d(pairs.colours, 'int32'),
  };
}
