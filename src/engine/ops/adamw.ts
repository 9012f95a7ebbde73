import { type Tensor, tf, type Variable } from '../tf.ts';
import { defineFused } from './fused.ts';

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

/**
 * One step of AdamW with decoupled weight decay, in place, as torch.optim.AdamW computes it:
 * p ← p (1 - lr λ); m ← β₁ m + (1-β₁) g; v ← β₂ v + (1-β₂) g²;
 * p ← p - lr/(1-β₁ᵗ) m / (√v/√(1-β₂ᵗ) + eps).
 *
 * @throws when the lists differ in length or a gradient has another shape than its parameter
 */
export function adamwStep(options: AdamwStep): void {
  checkLists(options);
  const { beta1, beta2, eps } = options;
  tf.tidy(() => {
    const shared = sharedScalars(options);
    options.params.forEach((param, i) => {
      const grad = options.grads[i] as Tensor;
      const m = options.m[i] as Variable;
      const v = options.v[i] as Variable;
      const [p, nextM, nextV] = update({ param, grad, m, v, ...shared }, { beta1, beta2, eps });
      m.assign(nextM);
      v.assign(nextV);
      param.assign(p);
    });
  });
}

const update = defineFused('adamw', (inputs, { beta1, beta2, eps }) => {
  const { param, grad, m, v, decay, rate, rootCorrection, firstShare, secondShare } = inputs;
  const nextM = tf.add(tf.mul(m, beta1), tf.mul(grad, firstShare));
  const nextV = tf.add(tf.mul(v, beta2), tf.square(tf.mul(grad, secondShare)));
  const denominator = tf.add(tf.mul(tf.sqrt(nextV), rootCorrection), eps);
  return [tf.sub(tf.mul(param, decay), tf.div(tf.mul(nextM, rate), denominator)), nextM, nextV];
});

/** What every weight's update shares, as scalars: corrections are 1 - betaᵗ. */
function sharedScalars({ lr, weightDecay, step, beta1, beta2, gradScale }: AdamwStep) {
  const count = tf.cast(step, 'float32');
  const scale = gradScale ?? 1;
  return {
    decay: tf.sub(1, tf.mul(lr, weightDecay)),
    rate: tf.div(lr, correction(beta1, count)),
    rootCorrection: tf.rsqrt(correction(beta2, count)),
    firstShare: tf.mul(scale, 1 - beta1),
    secondShare: tf.mul(scale, Math.sqrt(1 - beta2)), // squared together with the gradient
  };
}

/** 1 - betaᵗ = -expm1(t ln beta), written with tanh so that float32 keeps all digits where beta is near 1. */
function correction(beta: number, step: Tensor): Tensor {
  if (beta === 0) return tf.scalar(1);
  const half = tf.tanh(tf.mul(step, Math.log(beta) / 2));
  return tf.div(tf.mul(half, -2), tf.sub(1, half));
}

function checkLists({ params, grads, m, v }: AdamwStep): void {
  const count = params.length;
  for (const [name, list] of Object.entries({ grads, m, v })) {
    if (list.length !== count) {
      throw new Error(`adamwStep: ${name} has ${list.length} entries, wanted one for each of the ${count} params`);
    }
    list.forEach((tensor, i) => {
      const param = params[i] as Variable;
      if (String(tensor.shape) === String(param.shape)) return;
      throw new Error(
        `adamwStep: ${name}[${i}] has shape [${tensor.shape}], wanted that of ${param.name}, [${param.shape}]`,
      );
    });
  }
}
