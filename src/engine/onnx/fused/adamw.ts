/** The update of one weight by AdamW; all weights of a step are recorded into one run. */
import type { GraphBuilder } from '../builder.ts';
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';

interface AdamwInputs {
  param: Value;
  grad: Value;
  m: Value;
  v: Value;
  /** 1 - lr * weightDecay */
  decay: Value;
  /** lr / (1 - beta1ᵗ) */
  rate: Value;
  /** 1 / sqrt(1 - beta2ᵗ) */
  rootCorrection: Value;
}
interface AdamwAttributes {
  beta1: number;
  beta2: number;
  eps: number;
}

function update(inputs: AdamwInputs, { beta1, beta2, eps }: AdamwAttributes, g: GraphBuilder): Value[] {
  const { param, grad, m, v, decay, rate, rootCorrection } = inputs;
  const nextM = beta1 === 0 ? grad : g.add(g.mul(m, beta1), g.mul(grad, 1 - beta1));
  const nextV = g.add(g.mul(v, beta2), g.mul(g.mul(grad, grad), 1 - beta2));
  const denominator = g.add(g.mul(g.map('Sqrt', nextV), rootCorrection), eps);
  return [g.sub(g.mul(param, decay), g.div(g.mul(nextM, rate), denominator)), nextM, nextV];
}

export const adamwKernels: readonly KernelDefinition[] = [
  defineKernel<AdamwInputs, AdamwAttributes>('fused.adamw', ({ inputs, attrs }, g) => update(inputs, attrs, g)),
];
