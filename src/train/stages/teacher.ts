import { type Tensor, tf } from '../../engine/tf.ts';
import type { Key } from '../../nn/index.ts';
import { addNoise } from '../../sampler/index.ts';
import {
  type EncodeText,
  type LatentBatch,
  learnerConfig,
  type Network,
  type Source,
  withTensors,
} from '../ingredients.ts';
import { drawSigmas, flowMatchingLoss, type SigmaSampling, spread } from '../losses/flow-matching.ts';
import type { Objective } from '../optimiser/gradients.ts';
import { type Average, Learner, type LearnerOptions } from '../optimiser/learner.ts';
import { makeUpdate } from '../optimiser/update.ts';
import { type RunOptions, runStage, type Stage, type TrainStep } from '../run/stage.ts';

/** What training a teacher takes. */
export interface TeacherOptions extends RunOptions, LearnerOptions {
  teacher: Network;
  /** Weights that follow as a moving average, made by `ema.init`. */
  average?: Average;
  data: Source<LatentBatch>;
  encodeText: EncodeText;
  /** Clips per step. */
  batch: number;
  /** Distribution of noise levels. @defaultValue uniform, not shifted */
  sampling?: SigmaSampling;
  /** Share of captions replaced by the unconditional prompt, for guidance. @defaultValue 0.1 */
  textDropout?: number;
  /** Prompt that stands for none. @defaultValue '' */
  unconditionalPrompt?: string;
}

/**
 * Train a teacher by flow matching: `x_σ = (1-σ)·x0 + σ·ε`, loss `mean((v(x_σ, 1000σ, c) - (ε - x0))²)`, one noise
 * level per clip. Changes the teacher's weights in place. Source: Lipman et al., Flow Matching; Wan2.1, section 4.2.
 *
 * @example for await (const { step, loss } of train.teacher({ teacher, data, encodeText, batch: 8, ... })) show(step, loss);
 */
export function teacher(options: TeacherOptions): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(options), options);
}

function prepare(options: TeacherOptions): Stage {
  const { teacher: network, average = null, batch, sampling = { kind: 'uniform' }, textDropout = 0.1 } = options;
  const { unconditionalPrompt = '' } = options;
  const learner = new Learner('teacher', network.weights, options, average);
  const update = makeUpdate(learner, (latents: Tensor, noise: Tensor, sigma: Tensor, context: Tensor): Objective => {
    const x = addNoise(latents, noise, spread(sigma, latents));
    const velocity = network.forward(network.weights, { x, t: tf.mul(sigma, 1000), context });
    return { loss: flowMatchingLoss(velocity, latents, noise) };
  });
  const step: Stage['step'] = async (_, key) => {
    const { latents, prompts } = await options.data(key.stream('data'), batch);
    const kept = dropText(prompts, key.stream('dropout'), textDropout, unconditionalPrompt);
    const sources = {
      latents,
      noise: key.stream('noise').normal(latents.shape),
      sigma: { dtype: 'float32' as const, shape: [batch], data: drawSigmas(key.stream('sigma'), batch, sampling) },
      context: options.encodeText(kept),
    };
    return [await withTensors(sources, (t) => update(t.latents, t.noise, t.sigma, t.context))];
  };
  const config = {
    ...learnerConfig(options, average),
    ...{ batch, sampling, textDropout },
    ...(unconditionalPrompt && { unconditionalPrompt }),
  };
  return { name: 'teacher', config, learners: [learner], step, dispose: update.dispose };
}

function dropText(prompts: readonly string[], key: Key, share: number, replacement: string): string[] {
  const draws = key.uniform([prompts.length]).data;
  return prompts.map((prompt, i) => ((draws[i] as number) < share ? replacement : prompt));
}
