import { softmaxCrossEntropy } from '../../../engine/ops/index.ts';
import { type Tensor, tf } from '../../../engine/tf.ts';
import type { Weights } from '../../../nn/index.ts';
import { learnerConfig, withTensors } from '../../../train/ingredients.ts';
import { Learner, type LearnerOptions } from '../../../train/optimiser/learner.ts';
import { makeUpdate, type UpdateResult } from '../../../train/optimiser/update.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../../../train/run/stage.ts';
import { digits } from '../../index.ts';
import { CLASSIFIER, type ClassifierConfig, classifierForward } from './index.ts';

/** What training the digit classifier takes. */
export interface ClassifierTrainOptions extends RunOptions, Partial<LearnerOptions> {
  classifier: { weights: Weights; config?: ClassifierConfig };
  /** Pictures per step. @defaultValue 64 */
  batch?: number;
}

/**
 * Train the digit classifier on pictures of the digit world, half of them mildly damaged, drawn afresh for each step, by
 * cross-entropy. Reports the batch's `accuracy`. The defaults are AdamW with clip norm 1 and a rate of 3e-3 with 50
 * steps of warm-up and a cosine fall over the run. Changes the weights in place.
 */
export function classifier(options: ClassifierTrainOptions): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

function prepare(options: ClassifierTrainOptions): Stage {
  const { batch = 64, classifier: network } = options;
  const { weights, config: model = CLASSIFIER } = network;
  const settings = learnerOptions(options);
  const learner = new Learner('classifier', weights, settings);
  const update = makeUpdate(learner, (frames: Tensor, digit: Tensor) => {
    const logits = classifierForward({ weights, config: model }, frames);
    const right = tf.equal(tf.argMax(logits, 1), digit).toFloat();
    return { loss: tf.mean(softmaxCrossEntropy(logits, digit)), values: { accuracy: tf.mean(right) } };
  });
  const step: Stage['step'] = async (_, key) => {
    const { data, labels } = digits.pictures(key.stream('pictures'), batch, { damagedShare: 0.5 });
    const frames = tf.tensor4d(data, [batch, digits.SIZE, digits.SIZE, 3]);
    const digit = tf.tensor1d(
      Int32Array.from(labels, (label) => label.digit),
      'int32',
    );
    type Inputs = { frames: Tensor; digit: Tensor };
    return [await withTensors<Inputs, UpdateResult>({ frames, digit }, (t) => update(t.frames, t.digit))];
  };
  const config = { ...learnerConfig(settings), batch, model: { ...model } };
  return { name: 'classifier', config, learners: [learner], step, dispose: update.dispose };
}

function learnerOptions({ steps, lr, ...options }: ClassifierTrainOptions): LearnerOptions {
  const schedule = { lr: 3e-3, warmup: 50, decay: { kind: 'cosine', from: 0, to: steps } } as const;
  const { betas = [0.9, 0.99], eps = 1e-8, weightDecay = 0.01, clip = 1 } = options;
  return { lr: lr ?? schedule, betas, eps, weightDecay, clip };
}
