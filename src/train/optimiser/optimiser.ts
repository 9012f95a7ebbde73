/**
 * Optimisers as values after optax: `init` makes the state of parameters, `update` changes parameters and state by
 * gradients, all in the graph. Several share a network by `chosenBy`.
 */
import { adamwStep } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { Weights } from '../../nn/index.ts';
import type { Gradients, Parameters } from './gradients.ts';

/** What changes from update to update; tensors (scalars) where a compiled step is replayed. */
export interface UpdateNumbers {
  lr: Tensor | number;
  /** Count of this update, from 1. */
  step: Tensor | number;
  /** Factor of all gradients, from clipping. */
  gradScale?: Tensor | null;
}

/** Moments and whatever else an optimiser keeps, under the names of the parameters; released with `releaseState`. */
export type OptimiserState = Readonly<Record<string, Weights>>;

/** One way to turn gradients into better weights. */
export interface Optimiser {
  /** The state before the first update. */
  init(parameters: Parameters): OptimiserState;
  /** One update in tensor operations, in place. Parameters without a gradient stay as they are, their state too. */
  update(gradients: Gradients, state: OptimiserState, parameters: Parameters, numbers: UpdateNumbers): void;
}

/** Settings of AdamW; the defaults are those of torch.optim.AdamW. */
export interface AdamWSettings {
  /** Decay of the first and second moment, each in [0, 1). @defaultValue [0.9, 0.999] */
  betas?: readonly [number, number];
  /** Added to the root of the second moment. @defaultValue 1e-8 */
  eps?: number;
  /** Decoupled weight decay: weights shrink by `lr * weightDecay` a step. @defaultValue 0.01 */
  weightDecay?: number;
}

export const adamwDefaults: Required<AdamWSettings> = { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01 };

/**
 * `w ← w·(1 - lr·λ) - lr/(1-β1^t) · m / (√v/√(1-β2^t) + eps)` with moments `m` (`first`) and `v` (`second`).
 * Source: torch.optim.AdamW (decoupled weight decay, arXiv 1711.05101).
 */
export function adamw(settings: AdamWSettings = {}): Optimiser {
  const { betas, eps, weightDecay } = { ...adamwDefaults, ...settings };
  return {
    init: (parameters) => ({ first: zerosLike(parameters), second: zerosLike(parameters) }),
    update: (gradients, { first, second }, parameters, numbers) => {
      const names = [...gradients.keys()];
      adamwStep({
        params: names.map((name) => parameters.get(name)!),
        grads: [...gradients.values()],
        m: names.map((name) => first!.get(name)),
        v: names.map((name) => second!.get(name)),
        ...{ beta1: betas[0], beta2: betas[1], eps, weightDecay },
        ...numbers,
      });
    },
  };
}

/** Each parameter by the optimiser whose name `choose` gives; states stand under `name.` of their optimiser. */
export function chosenBy<Name extends string>(
  choose: (parameter: string) => Name,
  optimisers: Readonly<Record<Name, Optimiser>>,
): Optimiser {
  const parts = Object.entries<Optimiser>(optimisers);
  const only = <T>(all: ReadonlyMap<string, T>, name: string): ReadonlyMap<string, T> =>
    new Map([...all].filter(([parameter]) => choose(parameter) === name));
  return {
    init: (parameters) =>
      Object.fromEntries(
        parts.flatMap(([name, part]) =>
          Object.entries(part.init(only(parameters, name))).map(([key, value]) => [`${name}.${key}`, value]),
        ),
      ),
    update: (gradients, state, parameters, numbers) => {
      for (const [name, part] of parts) {
        const own = Object.entries(state).filter(([key]) => key.startsWith(`${name}.`));
        const short = Object.fromEntries(own.map(([key, value]) => [key.slice(name.length + 1), value]));
        part.update(only(gradients, name), short, parameters, numbers);
      }
    },
  };
}

/** Zeros of the parameters' shapes under their names. */
export function zerosLike(parameters: Parameters): Weights {
  const zeros = [...parameters].map(([name, weight]): [string, Tensor] => [name, tf.zerosLike(weight)]);
  const made = Weights.from(zeros, { trainable: false });
  tf.dispose(zeros.map(([, tensor]) => tensor));
  return made;
}

export function releaseState(state: OptimiserState): void {
  for (const weights of Object.values(state)) weights.dispose();
}
