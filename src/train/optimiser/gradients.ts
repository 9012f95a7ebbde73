/** Gradients by weight name: how they are made, measured and bounded. */
import { type Tensor, tf, type Variable } from '../../engine/tf.ts';
import type { Weights } from '../../nn/index.ts';

type Scalar = ReturnType<typeof tf.scalar>;

/** The weights that are trained, by name. */
export type Parameters = ReadonlyMap<string, Variable>;

/** Gradients by weight name; a weight that the loss does not depend on has none. */
export type Gradients = ReadonlyMap<string, Tensor>;

/** A scalar loss and further scalars to report, by name. */
export interface Objective<Name extends string = string> {
  loss: Tensor;
  values?: Readonly<Record<Name, Tensor>>;
}

/** What `gradientsOf` returns; all tensors are the caller's (or the surrounding tidy's) to dispose. */
export interface Differentiated<Name extends string = string> extends Required<Objective<Name>> {
  gradients: Gradients;
}

/** The weights that may change, or those of them that are chosen. */
export function parametersOf(weights: Weights, isChosen: (name: string) => boolean = () => true): Parameters {
  return new Map(weights.entries().filter(([name, variable]) => variable.trainable && isChosen(name)));
}

/** The objective and the gradients of its loss with respect to the parameters. */
export function gradientsOf<Name extends string = string>(
  parameters: Parameters,
  objective: () => Objective<Name>,
): Differentiated<Name> {
  let values = {} as Readonly<Record<Name, Tensor>>;
  const loss = (): Scalar => {
    const result = objective();
    values = result.values ?? values;
    for (const value of Object.values<Tensor>(values)) tf.keep(value);
    return result.loss as Scalar;
  };
  const { value, grads } = tf.variableGrads(loss, [...parameters.values()]);
  const gradients = new Map<string, Tensor>();
  for (const [name, variable] of parameters) {
    const gradient = grads[variable.name]; // TensorFlow.js knows variables by names of its own
    if (gradient) gradients.set(name, gradient);
  }
  return { loss: value, values, gradients };
}

/** What clipping measured; all scalars, in the graph. */
export interface ClipResult {
  /** Total 2-norm over all gradients before clipping. */
  norm: Tensor;
  /** Factor of every gradient, which the optimisers fold into their own arithmetic. */
  scale: Tensor;
  /** 1 when the norm exceeded the bound, else 0. */
  clipped: Tensor;
}

/** Total 2-norm over all tensors: `sqrt(Σ g²)`, a scalar. */
export function globalNorm(gradients: Gradients): Tensor {
  if (gradients.size === 0) throw new Error('there are no gradients: does the loss depend on the weights?');
  return tf.tidy(() => tf.addN([...gradients.values()].map((gradient) => gradient.square().sum())).sqrt());
}

/**
 * Norm of all gradients and the factor `min(1, maxNorm / (norm + 1e-6))` that clips them; with `maxNorm` null the norm
 * is only measured. Nothing is read back. Source: torch.nn.utils.clip_grad_norm_.
 */
export function measureClip(gradients: Gradients, maxNorm: number | null): ClipResult {
  const norm = globalNorm(gradients);
  if (maxNorm === null) return { norm, scale: tf.scalar(1), clipped: tf.scalar(0) };
  const scale = tf.tidy(() => tf.minimum(1, tf.div(maxNorm, norm.add(1e-6))));
  return { norm, scale, clipped: tf.tidy(() => tf.less(scale, 1).toFloat()) };
}
