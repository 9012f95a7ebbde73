/**
 * Gradients by weight name, and optimisers as values after optax: `init` makes the state of parameters, `update` changes
 * parameters and state by gradients, all in the graph. Several share a network by `chosenBy`.
 */
import { adamwStep } from '../../engine/ops/index.ts';
import { type Tensor, tf, type Variable } from '../../engine/tf.ts';
import { elementCount } from '../../io/internal.ts';
import { Weights } from '../../nn/index.ts';

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
        m: names.map((name) => first!.variable(name)),
        v: names.map((name) => second!.variable(name)),
        beta1: betas[0],
        beta2: betas[1],
        eps,
        weightDecay,
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

export interface MuonSettings {
  /** Learning rate as a multiple of the learner's own, which its schedule moves. @defaultValue 1 */
  rate?: number;
  /** Decay of the momentum, in [0, 1). @defaultValue 0.95 */
  momentum?: number;
}

export const muonDefaults: Required<MuonSettings> = { rate: 1, momentum: 0.95 };

/** Coefficients of the quintic iteration that drives singular values towards 1. Source: Jordan et al., Muon (2024). */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const ITERATIONS = 5;

/** Whether a weight is a matrix [out, rest] of more than one row and column, which Muon needs. */
export function isMatrix({ shape }: { shape: readonly number[] }): boolean {
  return shape.length >= 2 && Math.min(...matrixOf(shape)) > 1;
}

function matrixOf(shape: readonly number[]): [number, number] {
  return [shape[0]!, elementCount(shape) / shape[0]!];
}

/**
 * The nearest semi-orthogonal matrix of `x` [M, N], roughly: five Newton-Schulz steps `X ← aX + (bS + cS²)X`,
 * `S = XXᵀ`, on `x / ‖x‖`; singular values end within about 0.7 to 1.2. Source: Jordan et al., Muon (2024).
 */
export function orthogonalise(x: Tensor): Tensor {
  return tf.tidy(() => {
    const [rows, columns] = x.shape as [number, number];
    const isTall = rows > columns;
    const wide = isTall ? tf.transpose(x) : x;
    let y: Tensor = tf.div(wide, tf.add(tf.sqrt(tf.sum(tf.square(wide))), 1e-7));
    for (let i = 0; i < ITERATIONS; i++) {
      const square = tf.matMul(y as never, y as never, false, true);
      const mixed = tf.add(tf.mul(square, B), tf.mul(tf.matMul(square as never, square as never), C));
      y = tf.add(tf.mul(y, A), tf.matMul(mixed as never, y as never));
    }
    return isTall ? tf.transpose(y) : y;
  });
}

/**
 * `m ← μ·m + (1-μ)·g`, `w ← w - lr·0.2·√max(M, N)·orthogonal(g + μ(m - g))` for matrices between hidden states.
 * The factor gives updates the size of AdamW's, so that both share one learning rate. Weights of more than two axes
 * count as matrices [out, rest]. Source: Jordan et al., Muon (2024); scale from Liu et al., arXiv 2502.16982.
 */
export function muon(settings: MuonSettings = {}): Optimiser {
  const { rate, momentum } = { ...muonDefaults, ...settings };
  return {
    init: (parameters) => ({ momentum: zerosLike(parameters) }),
    update: (gradients, state, parameters, { lr, gradScale }) => {
      for (const [name, gradient] of gradients) {
        tf.tidy(() => {
          const [weight, buffer] = [parameters.get(name)!, state['momentum']!.variable(name)];
          const scaled = gradScale ? tf.mul(gradient, gradScale) : gradient;
          const average = tf.add(tf.mul(buffer, momentum), tf.mul(scaled, 1 - momentum));
          const ahead = tf.add(tf.mul(average, momentum), tf.mul(scaled, 1 - momentum));
          const matrix = matrixOf(weight.shape);
          const direction = orthogonalise(tf.reshape(ahead, matrix));
          const length = tf.mul(lr, rate * 0.2 * Math.sqrt(Math.max(...matrix)));
          buffer.assign(average as never);
          weight.assign(tf.sub(weight, tf.mul(tf.reshape(direction, weight.shape), length)) as never);
        });
      }
    },
  };
}

type Scalar = ReturnType<typeof tf.scalar>;

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
