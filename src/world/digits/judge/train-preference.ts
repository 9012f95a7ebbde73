import { type Tensor, tf } from '../../../engine/tf.ts';
import type { Key, Net } from '../../../nn/index.ts';
import {
  Learner,
  type LearnerOptions,
  makeUpdate,
  type RunOptions,
  runStage,
  type Stage,
  settleLearner,
  type TrainStep,
} from '../../../train/index.ts';
import { checkBatch, checkNet, checkNumber, checkWhole, learnerPart, withTensors } from '../../../train/internal.ts';
import { digits } from '../../index.ts';
import type { SmallRewardConfig } from './config.ts';
import { attributeLoss, preferenceLoss, type ShownPictures } from './losses.ts';
import { preferenceBatch } from './pairs.ts';

/** What training the small reward takes. */
export interface PreferenceTrainOptions extends RunOptions, Partial<LearnerOptions> {
  reward: Net<SmallRewardConfig>;
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
export function preference(options: PreferenceTrainOptions): AsyncGenerator<PreferenceStep, void, void> {
  return runStage(() => prepare(settle(options)), options);
}

/** A step of preference training. */
export interface PreferenceStep extends TrainStep {
  /** Cross-entropy of digit and colour. */
  attributes: number;
  /** Bradley-Terry, after the pre-training. */
  preference?: number;
  /** Share of pairs ordered rightly, after the pre-training. */
  accuracy?: number;
}

function settle(options: PreferenceTrainOptions) {
  const { steps, batch = 32, attributeWeight = 0.5 } = options;
  const { pretraining = Math.round((5 / 8) * steps) } = options; // telling digits apart takes longer than preferences
  const net = checkNet('reward', options.reward);
  const lr = { lr: 1e-3, warmup: 100, decay: { kind: 'cosine', from: pretraining, to: steps } } as const;
  return {
    ...settleLearner(net, { lr, betas: [0.9, 0.98], clip: 1, ...learnerPart(options) }),
    reward: net,
    batch: checkBatch(batch),
    attributeWeight: checkNumber('attributeWeight', attributeWeight, { min: 0 }),
    pretraining: checkWhole('pretraining', pretraining, 0),
  };
}

function prepare(settings: ReturnType<typeof settle>): Stage<PreferenceStep> {
  const { batch, attributeWeight, pretraining } = settings;
  const { weights, config } = settings.reward;
  const learner = new Learner('reward', settings.reward, settings);
  const pretrain = makeUpdate(learner, (shown: ShownPictures) => {
    const attributes = attributeLoss(weights, config, shown);
    return { loss: attributes, values: { attributes } };
  });
  const prefer = makeUpdate(learner, (pairs: ShownPictures & { tokens: Tensor }) => {
    const { loss, ...values } = preferenceLoss(weights, config, pairs, attributeWeight);
    return { loss, values };
  });
  const step: Stage<PreferenceStep>['step'] = async (index, key) => {
    const result =
      index <= pretraining
        ? await withTensors(drawPictures(key.stream('pictures'), 2 * batch), pretrain)
        : await withTensors(drawPairs(key.stream('pairs'), batch, config.textLength), prefer);
    return { updates: [result], values: result.values };
  };
  const dispose = (): void => {
    pretrain.dispose();
    prefer.dispose();
  };
  return { name: 'preference', settings, learners: [learner], step, dispose };
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
