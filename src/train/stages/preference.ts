import { type Tensor, tf } from '../../engine/tf.ts';
import type { Key, Weights } from '../../nn/index.ts';
import { preferenceBatch, preferenceLoss, SMALL_REWARD, type SmallRewardConfig } from '../../reward/index.ts';
import { learnerConfig, withTensors } from '../ingredients.ts';
import { Learner, type LearnerOptions } from '../learner.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../stage.ts';
import { makeUpdate, type UpdateResult } from '../update.ts';

/** What training the small reward takes. */
export interface PreferenceTrainOptions extends RunOptions, Partial<LearnerOptions> {
  reward: { weights: Weights; config?: SmallRewardConfig };
  /** Pairs per step; twice as many pictures. @defaultValue 64 */
  batch?: number;
  /** Weight of telling digit and colour of the better picture. @defaultValue 0.5 */
  attributeWeight?: number;
}

/**
 * Train the small reward on preference pairs of the digit world, drawn afresh for each step: Bradley-Terry plus
 * attribute cross-entropies. Reports `preference`, `attributes` and `accuracy` of the batch. The defaults are AdamW
 * with betas .9 and .98, clip norm 1, and a rate of 1e-3 with 100 steps of warm-up and a cosine fall over the run.
 * Changes the weights in place; afterwards `validatePreferences` gives the accuracy and scale.
 *
 * @example
 * const weights = initSmallReward(SMALL_REWARD, random.key('reward'));
 * for await (const { step, values } of train.preference({ reward: { weights }, steps: 600, seed: 0 })) { ... }
 */
export function preference(options: PreferenceTrainOptions): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

function prepare(options: PreferenceTrainOptions): Stage {
  const { batch = 64, attributeWeight = 0.5, reward } = options;
  const { weights, config: model = SMALL_REWARD } = reward;
  const settings = learnerOptions(options);
  const learner = new Learner('reward', weights, settings);
  const update = makeUpdate(learner, (pictures: Tensor, tokens: Tensor, digit: Tensor, colour: Tensor) => {
    const { loss, ...values } = preferenceLoss(weights, model, { pictures, tokens, digit, colour }, attributeWeight);
    return { loss, values };
  });
  const step: Stage['step'] = async (_, key) => [await pairStep(key, batch, model, update)];
  const config = { ...learnerConfig(settings), batch, attributeWeight, model: { ...model } };
  return { name: 'preference', config, learners: [learner], step, dispose: update.dispose };
}

function learnerOptions({ steps, lr, ...options }: PreferenceTrainOptions): LearnerOptions {
  const schedule = { lr: 1e-3, warmup: 100, decay: { kind: 'cosine', from: 0, to: steps } } as const;
  const { betas = [0.9, 0.98], eps = 1e-8, weightDecay = 0.01, clip = 1 } = options;
  return { lr: lr ?? schedule, betas, eps, weightDecay, clip };
}

type PairUpdate = (pictures: Tensor, tokens: Tensor, digit: Tensor, colour: Tensor) => Promise<UpdateResult>;

async function pairStep(key: Key, size: number, model: SmallRewardConfig, update: PairUpdate): Promise<UpdateResult> {
  const pairs = preferenceBatch(key.stream('pairs'), size, model.textLength);
  const inputs = {
    pictures: tf.tensor4d(pairs.pictures, [2 * size, model.size, model.size, 3]),
    tokens: tf.tensor2d(pairs.tokens, [2 * size, model.textLength], 'int32'),
    digit: tf.tensor1d(pairs.digits, 'int32'),
    colour: tf.tensor1d(pairs.colours, 'int32'),
  };
  return withTensors<Record<keyof typeof inputs, Tensor>, UpdateResult>(inputs, (t) =>
    update(t.pictures, t.tokens, t.digit, t.colour),
  );
}
