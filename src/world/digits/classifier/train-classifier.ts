import { softmaxCrossEntropy } from '../../../engine/ops/index.ts';
import { type Tensor, tf } from '../../../engine/tf.ts';
import type { Net } from '../../../nn/index.ts';
import {
  Learner,
  type LearnerOptions,
  makeUpdate,
  type RunOptions,
  runStage,
  type Stage,
  settleLearner,
  type TrainStep,
  type UpdateResult,
} from '../../../train/index.ts';
import { checkBatch, checkNet, learnerPart, withTensors } from '../../../train/internal.ts';
import { digits } from '../../index.ts';
import { type ClassifierConfig, classifierForward } from './index.ts';

/** What training the digit classifier takes. */
export interface ClassifierTrainOptions extends RunOptions, Partial<LearnerOptions> {
  classifier: Net<ClassifierConfig>;
  /** Pictures per step. @defaultValue 64 */
  batch?: number;
}

/**
 * Train the digit classifier on pictures of the digit world, half of them mildly damaged, drawn afresh for each step, by
 * cross-entropy. Reports the batch's `accuracy`. The defaults are AdamW with clip norm 1 and a rate of 3e-3 with 50
 * steps of warm-up and a cosine fall over the run. Changes the weights in place.
 */
export function classifier(options: ClassifierTrainOptions): AsyncGenerator<ClassifierStep, void, void> {
  return runStage(() => prepare(settle(options)), options);
}

/** A step of the classifier. */
export interface ClassifierStep extends TrainStep {
  /** Share of the batch that was named rightly. */
  accuracy: number;
}

function settle(options: ClassifierTrainOptions) {
  const lr = { lr: 3e-3, warmup: 50, decay: { kind: 'cosine', from: 0, to: options.steps } } as const;
  const net = checkNet('classifier', options.classifier);
  return {
    ...settleLearner(net, { lr, betas: [0.9, 0.99], clip: 1, ...learnerPart(options) }),
    classifier: net,
    batch: checkBatch(options.batch ?? 64),
  };
}

function prepare(settings: ReturnType<typeof settle>): Stage<ClassifierStep> {
  const { classifier: net, batch } = settings;
  const learner = new Learner('classifier', net, settings);
  const update = makeUpdate(learner, (frames: Tensor, digit: Tensor) => {
    const logits = classifierForward(net, frames);
    const right = tf.equal(tf.argMax(logits, 1), digit).toFloat();
    return { loss: tf.mean(softmaxCrossEntropy(logits, digit)), values: { accuracy: tf.mean(right) } };
  });
  const step: Stage<ClassifierStep>['step'] = async (_, key) => {
    const { data, labels } = digits.pictures(key.stream('pictures'), batch, { damagedShare: 0.5 });
    const frames = tf.tensor4d(data, [batch, digits.SIZE, digits.SIZE, 3]);
    const digit = tf.tensor1d(
      Int32Array.from(labels, (label) => label.digit),
      'int32',
    );
    type Inputs = { frames: Tensor; digit: Tensor };
    const result = await withTensors<Inputs, UpdateResult<'accuracy'>>({ frames, digit }, (t) =>
      update(t.frames, t.digit),
    );
    return { updates: [result], values: result.values };
  };
  return { name: 'classifier', settings, learners: [learner], step, dispose: update.dispose };
}
