import type { FusedUpdate } from '../kernel.ts';

/** The update of one weight by AdamW; all weights of a step are recorded into one run. */
export const adamw: FusedUpdate<'adamw'> = (operands, { beta1, beta2, eps }, g) => {
  const { param, grad, m, v, decay, rate, rootCorrection, firstShare, secondShare } = operands;
  const first = g.mul(grad, firstShare);
  const root = g.mul(grad, secondShare);
  const nextM = beta1 === 0 ? first : g.add(g.mul(m, beta1), first);
  const nextV = g.add(g.mul(v, beta2), g.mul(root, root));
  const denominator = g.add(g.mul(g.map('Sqrt', nextV), rootCorrection), eps);
  return [g.sub(g.mul(param, decay), g.div(g.mul(nextM, rate), denominator)), nextM, nextV];
};
