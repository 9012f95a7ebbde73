import { type Tensor, tf } from '../../engine/tf.ts';
import type { Weights } from '../../nn/index.ts';

/** When and how fast an exponential moving average of the weights follows them. */
export interface EmaOptions {
  /** Share of the old average kept at each update, in [0, 1). */
  decay: number;
  /** Number of updates (from 1) after which the average is made as a copy. @defaultValue 1 */
  start?: number;
}

/** An average that starts as a copy of the weights and is never trained itself. */
export function init(weights: Weights): Weights {
  return weights.clone({ trainable: false });
}

/**
 * `[d, 1 - d]` of update `step` (from 1): `d` is 0 up to `start`, which makes the average a copy of the weights, and
 * `decay` afterwards. No bias correction. Source: Self-Forcing (copy at the start, `θ' ← d·θ' + (1-d)·θ`).
 */
export function coefficients(step: number, { decay, start = 1 }: EmaOptions): [number, number] {
  if (!(decay >= 0 && decay < 1)) throw new RangeError(`ema decay is ${decay}: give a number in [0, 1), such as 0.99`);
  return step <= start ? [0, 1] : [decay, 1 - decay];
}

/** One update of `average` in tensor operations, `θ' ← d·θ' + (1-d)·θ`; the two numbers are those of `coefficients`. */
export function apply(
  average: Weights,
  weights: Weights,
  [keep, take]: readonly [Tensor | number, Tensor | number],
): void {
  for (const [name, old] of average.entries()) {
    tf.tidy(() => old.assign(tf.add(tf.mul(old, keep), tf.mul(weights.get(name), take))));
  }
}

/** Update `step` (from 1) of `average` with the numbers in `options`. */
export function update(average: Weights, weights: Weights, step: number, options: EmaOptions): void {
  apply(average, weights, coefficients(step, options));
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
