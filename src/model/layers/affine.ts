import type { Tensor } from '../../engine/tf.ts';
import type { WeightView } from '../../nn/index.ts';

/** Weight and bias below a name. */
export function affine(weights: WeightView, name: string): [weight: Tensor, bias: Tensor] {
  return [weights.get(`${name}.weight`), weights.get(`${name}.bias`)];
}

/** Shapes of a weight and its bias below a name. */
export function affineShapes(name: string, ...weight: number[]): [string, number[]][] {
  return [
    [`${name}.weight`, weight],
    [`${name}.bias`, weight.slice(0, 1)],
  ];
}
