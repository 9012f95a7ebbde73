import { type Tensor, tf, type Variable } from '../tf.ts';
import { hasNative, runNative } from './dispatch.ts';

/** One optimizer step over all weights. A number that changes between steps must be a tensor under `engine.compile`. */
export interface AdamwStep {
  params: Variable[];
  grads: Tensor[];
  /** First moments, one for each parameter. */
  m: Variable[];
  /** Second moments, one for each parameter. */
  v: Variable[];
  lr: Tensor | number;
  beta1: number;
  beta2: number;
  eps: number;
  weightDecay: number;
  /** Count of this step, from 1. */
  step: Tensor | number;
  /** Factor of all gradients, for example of clipping. */
  gradScale?: Tensor | null;
}

/** What every weight's update shares, as scalars. */
interface Shared {
  /** 1 - lr * weightDecay */
  decay: Tensor;
  /** lr / (1 - beta1^step) */
  rate: Tensor;
  /** 1 / sqrt(1 - beta2^step) */
  rootCorrection: Tensor;
}

/**
 * One step of AdamW with decoupled weight decay, in place, as torch.optim.AdamW computes it:
 * p ← p (1 - lr λ); m ← β₁ m + (1-β₁) g; v ← β₂ v + (1-β₂) g²;
 * p ← p - lr/(1-β₁ᵗ) m / (√v/√(1-β₂ᵗ) + eps).
 *
 * @throws when the lists differ in length or a gradient has another shape than its parameter
 */
export function adamwStep(options: AdamwStep): void {
  checkLists(options);
  tf.tidy(() => {
    const shared = sharedScalars(options);
    options.params.forEach((param, i) => {
      const grad = options.grads[i] as Tensor;
      const m = options.m[i] as Variable;
      const v = options.v[i] as Variable;
      const [p, nextM, nextV] = update(options, shared, param, grad, m, v);
      m.assign(nextM);
      v.assign(nextV);
      param.assign(p);
    });
  });
}

function update(
  options: AdamwStep,
  shared: Shared,
  param: Tensor,
  grad: Tensor,
  m: Tensor,
  v: Tensor,
): [Tensor, Tensor, Tensor] {
  const { beta1, beta2, eps, gradScale } = options;
  const g = gradScale ? tf.mul(grad, gradScale) : grad;
  if (hasNative('fused.adamw')) {
    return runNative('fused.adamw', { param, grad: g, m, v, ...shared }, { beta1, beta2, eps }) as [
      Tensor,
      Tensor,
      Tensor,
    ];
  }
  const nextM = tf.add(m, tf.mul(tf.sub(g, m), 1 - beta1));
  const nextV = tf.add(tf.mul(v, beta2), tf.mul(tf.square(g), 1 - beta2));
  const denominator = tf.add(tf.mul(tf.sqrt(nextV), shared.rootCorrection), eps);
  const p = tf.sub(tf.mul(param, shared.decay), tf.div(tf.mul(nextM, shared.rate), denominator));
  return [p, nextM, nextV];
}

function sharedScalars({ lr, weightDecay, step, beta1, beta2 }: AdamwStep): Shared {
  const count = tf.cast(step, 'float32');
  return {
    decay: tf.sub(1, tf.mul(lr, weightDecay)),
    rate: tf.div(lr, correction(beta1, count)),
    rootCorrection: tf.rsqrt(correction(beta2, count)),
  };
}

/** 1 - betaᵗ = -expm1(t ln beta), written with tanh so that float32 keeps all digits where beta is near 1. */
function correction(beta: number, step: Tensor): Tensor {
  if (beta === 0) return tf.scalar(1);
  const half = tf.tanh(tf.mul(step, Math.log(beta) / 2));
  return tf.div(tf.mul(half, -2), tf.sub(1, half));
}

function checkLists({ params, grads, m, v }: AdamwStep): void {
  for (const [name, list] of Object.entries({ grads, m, v })) {
    if (list.length !== params.length) {
      throw new Error(
        `adamwStep: ${name} has ${list.length} entries, want one for each of the ${params.length} params`,
      );
    }
    list.forEach((tensor, i) => {
      const param = params[i] as Variable;
      if (String(tensor.shape) === String(param.shape)) return;
      throw new Error(
        `adamwStep: ${name}[${i}] has shape [${tensor.shape}], want that of ${param.name}, [${param.shape}]`,
      );
    });
  }
}
