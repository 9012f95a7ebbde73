/** The update of one weight by AdamW; all weights of a step are recorded into one run. */
import type { GraphBuilder } from '../builder.ts';
import { defineKernel, type KernelDefinition } from '../define.ts';
import type { Value } from '../value.ts';

/** A weight with its gradient and moments, and the scalars that all weights share: see ops/adamw.ts. */
interface AdamwInputs {
  param: Value;
  grad: Value;
  m: Value;
  v: Value;
  decay: Value;
  rate: Value;
  rootCorrection: Value;
  firstShare: Value;
  secondShare: Value;
}
interface AdamwAttributes {
  beta1: number;
  beta2: number;
  eps: number;
}

function update(inputs: AdamwInputs, { beta1, beta2, eps }: AdamwAttributes, g: GraphBuilder): Value[] {
  const { param, grad, m, v, decay, rate, rootCorrection, firstShare, secondShare } = inputs;
  const first = g.mul(grad, firstShare);
  const root = g.mul(grad, secondShare);
  const nextM = beta1 === 0 ? first : g.add(g.mul(m, beta1), first);
  const nextV = g.add(g.mul(v, beta2), g.mul(root, root));
  const denominator = g.add(g.mul(g.map('Sqrt', nextV), rootCorrection), eps);
  return [g.sub(g.mul(param, decay), g.div(g.mul(nextM, rate), denominator)), nextM, nextV];
}

export const adamwKernels: readonly KernelDefinition[] = [
  defineKernel<AdamwInputs, AdamwAttributes>('fused.adamw', ({ inputs, attrs }, g) => update(inputs, attrs, g)),
];
