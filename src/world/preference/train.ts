/** Training of a preference judge: what its image tower learns first, then the order of pairs. */
import { softmaxCrossEntropy } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Net } from '../../nn/index.ts';
import { bradleyTerry } from '../../reward/index.ts';
import {
  Learner,
  type LearnerOptions,
  makeUpdate,
  type RunOptions,
  runStage,
  type Stage,
  settleLearner,
  type TrainStep,
} from '../../train/index.ts';
import { checkBatch, checkNet, checkNumber, checkWhole, learnerPart, withTensors } from '../../train/internal.ts';
import type { PreferenceConfig } from './config.ts';
import { drawPairs, drawPictures, type PreferenceBatch, type PreferenceTask } from './data.ts';
import { attributeLogits, encodeFrames, scoreCaptions } from './model.ts';

/** What training a preference judge takes. */
export interface PreferenceOptions extends RunOptions, Partial<LearnerOptions> {
  net: Net<PreferenceConfig>;
  task: PreferenceTask;
  /** Pairs per step; twice as many pictures. @defaultValue 32 */
  batch?: number;
  /** So many of the first steps train the image tower alone, to tell the attributes of pictures. @defaultValue five eighths */
  pretraining?: number;
  /** Weight of telling the attributes of the pictures. @defaultValue 0.5 */
  attributeWeight?: number;
}

/** A step of preference training. */
export interface PreferenceStep extends TrainStep {
  /** Cross-entropy of the attributes. */
  attributes: number;
  /** Bradley-Terry, after the pre-training. */
  preference?: number;
  /** Share of pairs ordered rightly, after the pre-training. */
  accuracy?: number;
}

/**
 * Train a preference judge on pairs of a world, drawn afresh for each step: Bradley-Terry plus attribute
 * cross-entropies, after pre-training of the image tower on the attributes, which stands in for the one that a large
 * reward starts from. Reports `attributes` and, after the pre-training, `preference` and `accuracy` of the batch. The
 * defaults are AdamW with betas .9 and .98, clip norm 1, and a rate of 1e-3 with 100 steps of warm-up and a cosine fall
 * from the end of the pre-training. Changes the weights in place; afterwards `validatePreferences` gives the scale.
 *
 * @example for await (const { step, accuracy } of trainPreference({ net, task, steps: 1600, seed: 0 })) show(step, accuracy);
 */
export function trainPreference(options: PreferenceOptions): AsyncGenerator<PreferenceStep, void, void> {
  return runStage(() => prepare(settle(options), options.task), options);
}

function settle(options: PreferenceOptions) {
  const { steps, task, batch = 32, attributeWeight = 0.5 } = options;
  const { pretraining = Math.round((5 / 8) * steps) } = options; // telling things apart takes longer than preferences
  const net = checkNet('net', options.net);
  const lr = { lr: 1e-3, warmup: 100, decay: { kind: 'cosine', from: pretraining, to: steps } } as const;
  return {
    ...settleLearner(net, { lr, betas: [0.9, 0.98], clip: 1, ...learnerPart(options) }),
    reward: net,
    world: { ...task.world },
    batch: checkBatch(batch),
    attributeWeight: checkNumber('attributeWeight', attributeWeight, { min: 0 }),
    pretraining: checkWhole('pretraining', pretraining, 0),
  };
}

function prepare(settings: ReturnType<typeof settle>, task: PreferenceTask): Stage<PreferenceStep> {
  const { reward: net, batch, attributeWeight, pretraining } = settings;
  const { textLength } = net.config;
  const learner = new Learner('reward', net, settings);
  const pretrain = makeUpdate(learner, (shown: PreferenceBatch) => {
    const attributes = attributeLoss(net, task, shown);
    return { loss: attributes, values: { attributes } };
  });
  const prefer = makeUpdate(learner, (pairs: PreferenceBatch & { tokens: Tensor }) => {
    const { loss, ...values } = preferenceLoss(net, task, pairs, attributeWeight);
    return { loss, values };
  });
  const step: Stage<PreferenceStep>['step'] = async (index, key) => {
    const result =
      index <= pretraining
        ? await withTensors(drawPictures(task, key.stream('pictures'), 2 * batch), pretrain)
        : await withTensors(drawPairs(task, key.stream('pairs'), { count: batch, length: textLength }).batch, prefer);
    return { updates: [result], values: result.values };
  };
  const dispose = (): void => {
    pretrain.dispose();
    prefer.dispose();
  };
  return { name: 'preference', settings, learners: [learner], step, dispose };
}

/** Cross-entropies of telling the attributes from the patch tokens, added and averaged over pictures. */
export function attributeLoss(net: Net<PreferenceConfig>, task: PreferenceTask, batch: PreferenceBatch): Tensor {
  return entropies(net, task, encodeFrames(net, batch.pictures), batch);
}

function entropies(
  { weights }: Net<PreferenceConfig>,
  { attributes }: PreferenceTask,
  image: Tensor,
  batch: PreferenceBatch,
): Tensor {
  const logits = Object.entries(attributeLogits(weights, image, attributes));
  const each = logits.map(([name, values]) => softmaxCrossEntropy(values, batch[name]!));
  return tf.mean(each.reduce((sum, value) => tf.add(sum, value)));
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
 * Loss of a preference judge: Bradley-Terry plus `attributeWeight` times the attribute loss; without the second part only
 * picture quality is learnt.
 *
 * @param batch - 2B pictures, better sides first, with their captions as int32 tokens [2B, L]
 */
export function preferenceLoss(
  net: Net<PreferenceConfig>,
  task: PreferenceTask,
  batch: PreferenceBatch & { tokens: Tensor },
  attributeWeight: number,
): PreferenceLoss {
  const image = encodeFrames(net, batch.pictures);
  const scores = scoreCaptions(net, batch.tokens, image);
  const [better, worse] = tf.split(scores, 2) as [Tensor, Tensor];
  const preference = bradleyTerry(better, worse);
  const attributes = entropies(net, task, image, batch);
  const accuracy = tf.mean(tf.cast(tf.greater(better, worse), 'float32'));
  return { loss: tf.add(preference, tf.mul(attributes, attributeWeight)), preference, attributes, accuracy };
}
