/** The two scores of distribution matching: how they see a clip, what they make of it. Shared by two stages. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { WanConfig } from '../../model/internal.ts';
import { type Key, type Net, toTensor } from '../../nn/index.ts';
import { withoutGradient } from '../../nn/internal.ts';
import { addNoise } from '../../sampler/index.ts';
import { guide, velocityToX0 } from '../../sampler/internal.ts';
import { checkNet, checkNumber, checkText, checkWhole, type TextEncoder, velocityOf } from '../ingredients.ts';
import { dmdGradient, dmdTimestep, flowMatchingLoss, spread } from '../losses.ts';
import type { Learner } from '../optimiser/learner.ts';
import type { UpdateResult } from '../optimiser/update.ts';
import type { Stage, StepResult, TrainStep } from '../run/stage.ts';

/** The two scores that distribution matching compares, and how. */
export interface ScoreOptions {
  /** Real score, frozen. */
  teacher: Net<WanConfig>;
  /** Fake score: learns the distribution of the generator's clips; starts as a copy of the teacher. */
  critic: Net<WanConfig>;
  /** Guidance scale of the real score; 1 is none. @defaultValue 4 */
  realGuidanceScale?: number;
  /** Guidance scale of the fake score; 1 is none. @defaultValue 1 */
  fakeGuidanceScale?: number;
  /** Prompt that stands for none. @defaultValue '' */
  unconditionalPrompt?: string;
  /** Shift of the noise levels at which the scores are compared. @defaultValue 5 */
  shift?: number;
  /** Steps (critic updates) per update of the generator. @defaultValue 5 */
  generatorEvery?: number;
}

export function settleScores(options: ScoreOptions): Required<ScoreOptions> {
  const { realGuidanceScale = 4, fakeGuidanceScale = 1, unconditionalPrompt = '', shift = 5 } = options;
  return {
    teacher: checkNet('teacher', options.teacher),
    critic: checkNet('critic', options.critic),
    realGuidanceScale: checkNumber('realGuidanceScale', realGuidanceScale),
    fakeGuidanceScale: checkNumber('fakeGuidanceScale', fakeGuidanceScale),
    unconditionalPrompt: checkText('unconditionalPrompt', unconditionalPrompt),
    shift: checkNumber('shift', shift, { above: 0 }),
    generatorEvery: checkWhole('generatorEvery', options.generatorEvery ?? 5, 1),
  };
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
export async function drawView(
  { unconditionalPrompt, shift, text }: { unconditionalPrompt: string; shift: number; text: TextEncoder },
  { key, prompts, shape }: { key: Key; prompts: readonly string[]; shape: readonly number[] },
): Promise<ScoreView> {
  const raw = key.stream('level').integers(0, 1000, prompts.length);
  return {
    context: await text.encode(prompts),
    unconditional: await text.encode(prompts.map(() => unconditionalPrompt)),
    noise: toTensor(key.stream('noise').normal(shape)),
    level: tf.tensor1d(Array.from(raw, (u) => dmdTimestep(u, shift) / 1000)),
  };
}

/** Clean estimate of a network at noise levels `sigma` `[B]`. */
export function cleanEstimate(net: Net<WanConfig>, x: Tensor, sigma: Tensor, context: Tensor): Tensor {
  return velocityToX0(x, velocityOf(net, { x, t: tf.mul(sigma, 1000), context }), spread(sigma, x));
}

/** Normalised direction `fake - real` at the generated clips `x0`, of their shape; a constant for every gradient. */
export function matchingDirection(
  { teacher, critic, realGuidanceScale, fakeGuidanceScale }: Required<ScoreOptions>,
  x0: Tensor,
  view: ScoreView,
): Tensor {
  return withoutGradient(() => {
    const x = addNoise(x0, view.noise, spread(view.level, x0));
    const fake = score(critic, fakeGuidanceScale, x, view);
    const real = score(teacher, realGuidanceScale, x, view);
    return dmdGradient(x0, fake, real).gradient;
  });
}

function score(net: Net<WanConfig>, scale: number, x: Tensor, { level, context, unconditional }: ScoreView): Tensor {
  const conditional = cleanEstimate(net, x, level, context);
  return scale === 1 ? conditional : guidedScore(conditional, cleanEstimate(net, x, level, unconditional), scale);
}

/** `guide` from the conditional estimate on: equal, but rounded as the reference rounds it (Self-Forcing `_compute_kl_grad`). */
export function guidedScore(conditional: Tensor, unconditional: Tensor, scale: number): Tensor {
  return guide(unconditional, conditional, 1 - scale);
}

/** The critic's loss: flow matching on generated clips `x0`, which are constants here. */
export function criticLoss(critic: Net<WanConfig>, x0: Tensor, { noise, level, context }: ScoreView): Tensor {
  const x = addNoise(x0, noise, spread(level, x0));
  return flowMatchingLoss(velocityOf(critic, { x, t: tf.mul(level, 1000), context }), x0, noise);
}

/** A step of distribution matching: loss and norm are the critic's, the generator's stand where it was updated. */
export interface MatchingStep extends TrainStep {
  generatorLoss?: number;
  generatorGradNorm?: number;
  /** Mean absolute value of the direction. */
  dmdGradient?: number;
}

/** The two networks that learn, the generator first, one update of each, and what is disposed with the stage. */
interface Pair {
  learners: readonly [Learner, Learner];
  generator(key: Key): Promise<UpdateResult>;
  critic(key: Key): Promise<UpdateResult>;
  owned: readonly { dispose(): void }[];
}

/** The stage of a pair: every step updates the critic, every `generatorEvery`-th first the generator. */
export function alternating<Step extends MatchingStep>(
  name: string,
  settings: { generatorEvery: number },
  { learners, generator, critic, owned }: Pair,
): Stage<Step> {
  const step: Stage<Step>['step'] = async (index, key) => {
    const moved = (index - 1) % settings.generatorEvery === 0 ? await generator(key) : null;
    const matched = await critic(key);
    const own = moved && { ...moved.values, generatorLoss: moved.loss, generatorGradNorm: moved.gradNorm };
    return { updates: moved ? [matched, moved] : [matched], values: { ...own } as StepResult<Step>['values'] };
  };
  const dispose = (): void => {
    for (const made of owned) made.dispose();
  };
  return { name, settings, learners, step, dispose };
}
