/** The classifier of digits: a small convolutional network, blind to colour and place. */
import { conv2d, gelu, layerNorm, linear, softmaxCrossEntropy } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { HostTensor } from '../../io/index.ts';
import { type Architecture, architecture, type Key, type Net, type Part, type Shapes } from '../../nn/index.ts';
import { constant, fans } from '../../nn/internal.ts';
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
} from '../../train/index.ts';
import { checkBatch, checkNet, learnerPart, withTensors } from '../../train/internal.ts';
import { SIZE } from './clip.ts';
import { pictures } from './pictures.ts';

/** Sizes of the digit classifier. */
export interface ClassifierConfig {
  /** Channels of the convolutions; the first keeps the size, each later one halves it. */
  channels: readonly number[];
  classes: number;
}

/** 164,826 parameters, for 32x32 frames. */
export const CLASSIFIER: ClassifierConfig = { channels: [24, 48, 96, 128], classes: 10 };

/** Names and shapes of all weights, convolution [out, in, kH, kW] and linear [out, in]. */
export function classifierShapes({ channels, classes }: ClassifierConfig): Shapes {
  const shapes = new Map<string, number[]>();
  for (const [i, out] of channels.entries()) {
    shapes.set(`conv.${i}.weight`, [out, channels[i - 1] ?? 1, 3, 3]);
    shapes.set(`conv.${i}.bias`, [out]);
    shapes.set(`norm.${i}.weight`, [out]);
    shapes.set(`norm.${i}.bias`, [out]);
  }
  const width = channels.at(-1) ?? 1;
  return shapes.set('head.weight', [classes, width]).set('head.bias', [classes]);
}

/** The digit classifier. */
export const classifier: Architecture<ClassifierConfig, typeof classifierForward> = architecture({
  name: 'digit classifier',
  presets: { digits: CLASSIFIER },
  shapes: classifierShapes,
  initial: (config, key) => initialWeights(classifierShapes(config), key),
  forward: classifierForward,
});

/** 1 and 0 for norms, uniform in +-1/sqrt(fan in) for the rest. */
function initialWeights(shapes: Shapes, key: Key): [string, HostTensor][] {
  return [...shapes].map(([name, shape]) => {
    if (name.startsWith('norm')) return [name, constant(name.endsWith('weight') ? 1 : 0)(key, shape)];
    const bound = 1 / Math.sqrt(fans(shapes.get(name.replace(/bias$/, 'weight')) ?? shape).fanIn);
    return [name, key.stream(name).uniform(shape, -bound, bound)];
  });
}

/**
 * Class logits of frames by their brightest channel, so that colour does not matter: 3x3 convolutions, each normalised
 * over the whole picture and followed by GELU, then the largest value of each channel, so that place does not matter,
 * and a linear layer.
 *
 * @param frames - [B, H, W, 3] in [0, 1]
 * @returns [B, classes]
 */
export function classifierForward(net: Part<ClassifierConfig>, frames: Tensor): Tensor {
  const {
    weights,
    config: { channels },
  } = net;
  let x: Tensor = tf.max(frames, 3, true); // [B, H, W, 1]
  for (const i of channels.keys()) {
    const stride = i === 0 ? 1 : 2;
    const y = conv2d(x, weights.get(`conv.${i}.weight`), weights.get(`conv.${i}.bias`), { stride, padding: 1 });
    x = gelu(tf.add(tf.mul(normalised(y), weights.get(`norm.${i}.weight`)), weights.get(`norm.${i}.bias`)));
  }
  const pooled = tf.max(x, [1, 2]); // [B, h, w, D] -> [B, D]
  return linear(pooled, weights.get('head.weight'), weights.get('head.bias'));
}

/** Mean 0 and variance 1 over place and channel together: a dark ground stays dark, as it would not pixel by pixel. */
function normalised(x: Tensor): Tensor {
  const [batch, height, width, channels] = x.shape as [number, number, number, number];
  const flat = tf.reshape(x, [batch, height * width * channels]); // [B, H, W, C] -> [B, H W C]
  return tf.reshape(layerNorm(flat, null, null), [batch, height, width, channels]);
}

/** The most likely class of each frame [B, H, W, 3], and how likely it is. */
export async function classify(
  net: Part<ClassifierConfig>,
  frames: Tensor,
): Promise<{ label: number; probability: number }[]> {
  const { config } = net;
  const probabilities = tf.tidy(() => tf.softmax(classifierForward(net, frames)));
  const values = await probabilities.data<'float32'>();
  probabilities.dispose();
  return Array.from({ length: values.length / config.classes }, (_, i) => {
    const row = [...values.subarray(i * config.classes, (i + 1) * config.classes)];
    const probability = Math.max(...row);
    return { label: row.indexOf(probability), probability };
  });
}

/** What training the digit classifier takes. */
export interface ClassifierOptions extends RunOptions, Partial<LearnerOptions> {
  net: Net<ClassifierConfig>;
  /** Pictures per step. @defaultValue 64 */
  batch?: number;
}

/**
 * Train the digit classifier on pictures of the digit world, half of them mildly damaged, drawn afresh for each step, by
 * cross-entropy. Reports the batch's `accuracy`. The defaults are AdamW with clip norm 1 and a rate of 3e-3 with 50
 * steps of warm-up and a cosine fall over the run. Changes the weights in place.
 */
export function trainClassifier(options: ClassifierOptions): AsyncGenerator<ClassifierStep, void, void> {
  return runStage(() => prepare(settle(options)), options);
}

/** A step of the classifier. */
export interface ClassifierStep extends TrainStep {
  /** Share of the batch that was named rightly. */
  accuracy: number;
}

function settle(options: ClassifierOptions) {
  const lr = { lr: 3e-3, warmup: 50, decay: { kind: 'cosine', from: 0, to: options.steps } } as const;
  const net = checkNet('net', options.net);
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
    const { data, labels } = pictures(key.stream('pictures'), batch, { damagedShare: 0.5 });
    const frames = tf.tensor4d(data, [batch, SIZE, SIZE, 3]);
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
