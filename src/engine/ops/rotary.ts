import { type Tensor, tf } from '../tf.ts';
import { expectShape } from './check.ts';
import { fused } from './dispatch.ts';

/**
 * Rotary position embedding of interleaved pairs: the pair (2j, 2j+1) is turned by the angle of (token, j),
 * as Wan does by complex multiplication.
 *
 * @param x - [B, L, N, D], D even
 * @param cos - [L, D/2], cosines of the angles (no gradient)
 * @param sin - [L, D/2], sines of the angles (no gradient)
 * @returns [B, L, N, D]
 */
export function rotary(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  expectShape('rotary', 'x', x, ['B', 'L', 'N', 'D']);
  const [, tokens, , width] = x.shape as [number, number, number, number];
  expectShape('rotary', 'cos', cos, [tokens, width / 2]);
  expectShape('rotary', 'sin', sin, [tokens, width / 2]);
  return fused({
    name: 'fused.rotary',
    inputs: { x },
    constants: { cos, sin },
    reference: () => rotaryReference(x, cos, sin),
  });
}

function rotaryReference(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  const [batch, tokens, heads, width] = x.shape as [number, number, number, number];
  const pairs = tf.reshape(x, [batch, tokens, heads, width / 2, 2]); // [B, L, N, D] -> [B, L, N, D/2, 2]
  const [even, odd] = tf.unstack(pairs, -1) as [Tensor, Tensor];
  const c = tf.reshape(cos, [tokens, 1, width / 2]);
  const s = tf.reshape(sin, [tokens, 1, width / 2]);
  const turned = [tf.sub(tf.mul(even, c), tf.mul(odd, s)), tf.add(tf.mul(even, s), tf.mul(odd, c))];
  return tf.reshape(tf.stack(turned, -1), [batch, tokens, heads, width]);
}
