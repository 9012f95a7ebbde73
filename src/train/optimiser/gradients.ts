import { type Tensor, tf } from '../../engine/tf.ts';
import type { Weights } from '../../nn/index.ts';

type Scalar = ReturnType<typeof tf.scalar>;

/** Gradients by weight name; a weight that the loss does not depend on has none. */
export type Gradients = ReadonlyMap<string, Tensor>;

/** A scalar loss and further scalars to report, by name. */
export interface Objective {
  loss: Tensor;
  values?: Readonly<Record<string, Tensor>>;
}

/** What `gradientsOf` returns; all tensors are the caller's (or the surrounding tidy's) to dispose. */
export interface Differentiated extends Required<Objective> {
  gradients: Gradients;
}

/** The objective and the gradients of its loss with respect to the trainable weights. */
export function gradientsOf(weights: Weights, objective: () => Objective): Differentiated {
  let values: Readonly<Record<string, Tensor>> = {};
  const loss = (): Scalar => {
    const result = objective();
    values = result.values ?? {};
    for (const value of Object.values(values)) tf.keep(value);
    return result.loss as Scalar;
  };
  const { value, grads } = tf.variableGrads(loss, weights.trainable());
  return { loss: value, values, gradients: byName(weights, grads) };
}

/** `tf.variableGrads` knows variables by their own names; ours are the checkpoint's keys. */
function byName(weights: Weights, grads: Record<string, Tensor>): Gradients {
  const found = new Map<string, Tensor>();
  for (const [name, variable] of weights.entries()) {
    const gradient = grads[variable.name];
    if (gradient) found.set(name, gradient);
  }
  return found;
}
