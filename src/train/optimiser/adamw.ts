import { adamwStep } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { Weights } from '../../nn/index.ts';
import type { Gradients } from './gradients.ts';

/** Settings of AdamW that stay the same during a run; the defaults are those of torch.optim.AdamW. */
export interface AdamWSettings {
  /** Decay of the first and second moment. @defaultValue [0.9, 0.999] */
  betas?: readonly [number, number];
  /** Added to the root of the second moment. @defaultValue 1e-8 */
  eps?: number;
  /** Decoupled weight decay: weights shrink by `lr * weightDecay` a step. @defaultValue 0.01 */
  weightDecay?: number;
}

/** Settings of one update with the learning rate of that step. */
export interface AdamWOptions extends AdamWSettings {
  lr: number;
}

/** What changes from step to step; tensors (scalars) where a compiled step is replayed. */
export interface AdamWNumbers {
  lr: Tensor | number;
  /** Count of this update, from 1. */
  step: Tensor | number;
  /** Factor of all gradients, from clipping. */
  gradScale?: Tensor | null;
}

/** The two moments of every weight, under the weights' names, and the number of updates made. */
export interface AdamWState {
  readonly firstMoment: Weights;
  readonly secondMoment: Weights;
  step: number;
}

/** Zero moments for the given weights, at step 0. Release them with `dispose`. */
export function init(weights: Weights): AdamWState {
  return { firstMoment: zerosLike(weights), secondMoment: zerosLike(weights), step: 0 };
}

function zerosLike(weights: Weights): Weights {
  const zeros = weights.entries().map(([name, weight]): [string, Tensor] => [name, tf.zerosLike(weight)]);
  const made = Weights.from(zeros, { trainable: false });
  tf.dispose(zeros.map(([, tensor]) => tensor));
  return made;
}

/**
 * One update in tensor operations, in place: `w ← w·(1 - lr·λ) - lr/(1-β1^t) · m / (√v/√(1-β2^t) + eps)`. Weights
 * without a gradient stay as they are, moments too. Leaves `state.step` to the caller, who may be replaying a graph.
 * Source: torch.optim.AdamW (decoupled weight decay, arXiv 1711.05101).
 */
export function apply(
  state: AdamWState,
  weights: Weights,
  gradients: Gradients,
  { betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01, ...numbers }: AdamWSettings & AdamWNumbers,
): void {
  const names = [...gradients.keys()];
  adamwStep({
    params: names.map((name) => weights.get(name)),
    grads: [...gradients.values()],
    m: names.map((name) => state.firstMoment.get(name)),
    v: names.map((name) => state.secondMoment.get(name)),
    ...{ beta1: betas[0], beta2: betas[1], eps, weightDecay },
    ...numbers,
  });
}

/** One update with the numbers in `options`: advances `state.step` and changes the weights in place. */
export function update(state: AdamWState, weights: Weights, gradients: Gradients, options: AdamWOptions): void {
  state.step += 1;
  apply(state, weights, gradients, { ...options, step: state.step });
}

/** Release the moments. */
export function dispose(state: AdamWState): void {
  state.firstMoment.dispose();
  state.secondMoment.dispose();
}
