import { type Tensor, tf } from '../../engine/tf.ts';
import type { WanConfig } from '../../model/internal.ts';
import type { Key, Net } from '../../nn/index.ts';
import { addNoise } from '../../sampler/index.ts';
import {
  checkBatch,
  checkEncoder,
  checkNet,
  checkNumber,
  checkSource,
  checkText,
  type LatentBatch,
  type Source,
  type TextEncoder,
  velocityOf,
  withTensors,
} from '../ingredients.ts';
import { drawSigmas, flowMatchingLoss, type SigmaSampling, settleSampling, spread } from '../losses.ts';
import { Learner } from '../optimiser/learner.ts';
import { settleTraining } from '../optimiser/learner-options.ts';
import { makeUpdate } from '../optimiser/update.ts';
import { runStage, type Stage, type TrainingOptions, type TrainStep } from '../run/stage.ts';

export interface TeacherOptions extends TrainingOptions {
  teacher: Net<WanConfig>;
  data: Source<LatentBatch>;
  text: TextEncoder;
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
 * @example for await (const { step, loss } of train.teacher({ teacher, data, text, batch: 8, lr: 1e-3, steps: 100, seed: 0 })) show(step, loss);
 */
export function teacher(options: TeacherOptions): AsyncGenerator<TrainStep, void, void> {
  return runStage(() => prepare(settle(options)), options);
}

function settle(options: TeacherOptions) {
  const { sampling = { kind: 'uniform' }, textDropout = 0.1, unconditionalPrompt = '' } = options;
  const net = checkNet('teacher', options.teacher);
  return {
    ...settleTraining(net, options),
    teacher: net,
    data: checkSource('data', options.data),
    text: checkEncoder(options.text),
    batch: checkBatch(options.batch),
    sampling: settleSampling(sampling),
    textDropout: checkNumber('textDropout', textDropout, { min: 0, max: 1 }),
    unconditionalPrompt: checkText('unconditionalPrompt', unconditionalPrompt),
  };
}

function prepare(settings: ReturnType<typeof settle>): Stage {
  const { teacher: net, batch, data, text } = settings;
  const learner = new Learner('teacher', net, settings);
  const update = makeUpdate(learner, (latents: Tensor, noise: Tensor, sigma: Tensor, context: Tensor) => {
    const x = addNoise(latents, noise, spread(sigma, latents));
    return { loss: flowMatchingLoss(velocityOf(net, { x, t: tf.mul(sigma, 1000), context }), latents, noise) };
  });
  const step: Stage['step'] = async (_, key) => {
    const { latents, prompts } = await data(key.stream('data'), batch);
    const sources = {
      latents,
      noise: key.stream('noise').normal(latents.shape),
      sigma: {
        dtype: 'float32' as const,
        shape: [batch],
        data: drawSigmas(key.stream('sigma'), batch, settings.sampling),
      },
      context: await text.encode(dropText(prompts, key.stream('dropout'), settings)),
    };
    return { updates: [await withTensors(sources, (t) => update(t.latents, t.noise, t.sigma, t.context))], values: {} };
  };
  return { name: 'teacher', settings, learners: [learner], step, dispose: update.dispose };
}

function dropText(
  prompts: readonly string[],
  key: Key,
  { textDropout, unconditionalPrompt }: { textDropout: number; unconditionalPrompt: string },
): string[] {
  const draws = key.uniform([prompts.length]).data;
  return prompts.map((prompt, i) => ((draws[i] as number) < textDropout ? unconditionalPrompt : prompt));
}
