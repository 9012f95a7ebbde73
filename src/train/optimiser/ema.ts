/** The exponential moving average of weights. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Weights } from '../../nn/index.ts';

/** When and how fast an exponential moving average of the weights follows them. */
export interface EmaOptions {
  /** Share of the old average kept at each update, in [0, 1). */
  decay: number;
  /** Number of updates (from 1) after which the average is made as a copy. @defaultValue 1 */
  start?: number;
}

/**
 * `[d, 1 - d]` of update `step` (from 1): `d` is 0 up to `start`, which makes the average a copy of the weights, and
 * `decay` afterwards. No bias correction. Source: Self-Forcing (copy at the start, `θ' ← d·θ' + (1-d)·θ`).
 */
export function coefficients(step: number, { decay, start = 1 }: EmaOptions): [number, number] {
  return step <= start ? [0, 1] : [decay, 1 - decay];
}

/** One update of `average` in tensor operations, `θ' ← d·θ' + (1-d)·θ`, for the weights named. */
export function update(
  average: Weights,
  weights: Weights,
  [keep, take]: readonly [Tensor | number, Tensor | number],
  names: Iterable<string> = average.names(),
): void {
  for (const name of names) {
    const old = average.variable(name);
    tf.tidy(() => old.assign(tf.add(tf.mul(old, keep), tf.mul(weights.get(name), take))));
  }
}

/** How far the average lags behind, `‖θ' - θ‖ / ‖θ‖` over all weights: a scalar. A gap that keeps rising is an alarm. */
export function gap(average: Weights, weights: Weights): Tensor {
  return tf.tidy(() => {
    const squares = weights.entries().map(([name, weight]) => {
      return [tf.sum(tf.square(tf.sub(average.get(name), weight))), tf.sum(tf.square(weight))] as const;
    });
    const total = (part: 0 | 1): Tensor => tf.sqrt(tf.addN(squares.map((pair) => pair[part] as Tensor)));
    return tf.div(total(0), total(1));
  });
}
