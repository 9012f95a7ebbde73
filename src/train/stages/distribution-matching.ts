import { type Tensor, tf } from '../../engine/tf.ts';
import { type Key, toTensor, withoutGradient } from '../../nn/index.ts';
import { addNoise, velocityToX0 } from '../../sampler/index.ts';
import type { EncodeText, Network } from '../ingredients.ts';
import { dmdGradient, dmdTimestep, guidedScore } from '../losses/dmd.ts';
import { flowMatchingLoss, spread } from '../losses/flow-matching.ts';

/** The two scores that distribution matching compares, and how. */
export interface ScoreOptions {
  /** Real score, frozen. */
  teacher: Network;
  /** Fake score: learns the distribution of the generator's clips; starts from the teacher's weights. */
  critic: Network;
  /** Extra guidance of the real score, `cond + w·(cond - uncond)`: a usual scale of `1 + w`. @defaultValue 3 */
  realGuidance?: number;
  /** The same for the fake score. @defaultValue 0 */
  fakeGuidance?: number;
  /** Prompt that stands for none. @defaultValue '' */
  unconditionalPrompt?: string;
  /** Shift of the noise levels at which the scores are compared. @defaultValue 5 */
  shift?: number;
}

/** How the scores see a clip; all tensors, so that a recorded step can be replayed with others. */
export interface ScoreView {
  /** Text states `[B, L, D]` with and without the prompt. */
  context: Tensor;
  unconditional: Tensor;
  /** Noise of the clip's shape, and its level `[B]`. */
  noise: Tensor;
  level: Tensor;
}

/** Draw noise and its level for clips of `shape` `[B, F, H, W, C]`; the caller disposes of the tensors. */
export function drawView(
  { unconditionalPrompt = '', shift = 5, encodeText }: ScoreOptions & { encodeText: EncodeText },
  { key, prompts, shape }: { key: Key; prompts: readonly string[]; shape: readonly number[] },
): ScoreView {
  const raw = key.stream('level').integers(0, 1000, prompts.length);
  return {
    context: encodeText(prompts),
    unconditional: encodeText(prompts.map(() => unconditionalPrompt)),
    noise: toTensor(key.stream('noise').normal(shape)),
    level: tf.tensor1d(Array.from(raw, (u) => dmdTimestep(u, { shift }) / 1000)),
  };
}

/** Clean estimate of a network at noise levels `sigma` `[B]`. */
export function cleanEstimate(network: Network, x: Tensor, sigma: Tensor, context: Tensor): Tensor {
  const velocity = network.forward(network.weights, { x, t: tf.mul(sigma, 1000), context });
  return velocityToX0(x, velocity, spread(sigma, x));
}

/** Normalised direction `fake - real` at the generated clips `x0`, of their shape; a constant for every gradient. */
export function matchingDirection(options: ScoreOptions, x0: Tensor, view: ScoreView): Tensor {
  return withoutGradient(() => {
    const x = addNoise(x0, view.noise, spread(view.level, x0));
    const fake = score(options.critic, options.fakeGuidance ?? 0, x, view);
    const real = score(options.teacher, options.realGuidance ?? 3, x, view);
    return dmdGradient(x0, fake, real).gradient;
  });
}

function score(network: Network, scale: number, x: Tensor, { level, context, unconditional }: ScoreView): Tensor {
  const conditional = cleanEstimate(network, x, level, context);
  if (scale === 0) return conditional;
  return guidedScore(conditional, cleanEstimate(network, x, level, unconditional), scale);
}

/** The critic's loss: flow matching on generated clips `x0`, which are constants here. */
export function criticLoss({ weights, forward }: Network, x0: Tensor, { noise, level, context }: ScoreView): Tensor {
  const x = addNoise(x0, noise, spread(level, x0));
  return flowMatchingLoss(forward(weights, { x, t: tf.mul(level, 1000), context }), x0, noise);
}

/** Settings of the scores in the form that a run's configuration records. */
export function scoreConfig(options: ScoreOptions): Readonly<Record<string, number | string>> {
  const { realGuidance = 3, fakeGuidance = 0, shift = 5, unconditionalPrompt } = options;
  return { realGuidance, fakeGuidance, shift, ...(unconditionalPrompt && { unconditionalPrompt }) };
}
