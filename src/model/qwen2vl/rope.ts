/** Rotary embedding of half-split pairs (j, j + D/2), as Qwen2-VL's two towers use it. */
import { type Tensor, tf } from '../../engine/tf.ts';

/** Cosines and sines of the angles, [B or 1, L, 1, D/2] each. */
export interface Turns {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Turns of angles [B, L, D/2]. */
export function turnsOf(angles: Tensor): Turns {
  const perHead = tf.expandDims(angles, 2); // [B,L,D/2] -> [B,L,1,D/2]
  return { cos: tf.cos(perHead), sin: tf.sin(perHead) };
}

/** Turns each pair (j, j + D/2) of the channels by its token's angle: [B, L, N, D] -> [B, L, N, D]. */
export function turnHalves(x: Tensor, { cos, sin }: Turns): Tensor {
  const [a, b] = tf.split(x, 2, 3) as [Tensor, Tensor];
  return tf.concat([tf.sub(tf.mul(a, cos), tf.mul(b, sin)), tf.add(tf.mul(b, cos), tf.mul(a, sin))], 3);
}

/** theta^(-j / count) for j = 0 .. count - 1: radians per position of each angle channel. */
export function frequencies(count: number, theta: number): number[] {
  return Array.from({ length: count }, (_, j) => Math.fround(theta ** (-j / count)));
}
