import { type Tensor, tf } from '../engine/tf.ts';

/** The same values as a constant: an enclosing gradient does not look at how `x` was computed. */
export function stopGradient(x: Tensor): Tensor {
  return withoutGradient(() => tf.clone(x));
}

/** Runs `f` so that an enclosing gradient takes its results for constants and keeps nothing to differentiate it. */
export function withoutGradient<T>(f: () => T): T {
  const { state } = tf.engine();
  state.kernelDepth++; // operations inside of a kernel are not recorded
  try {
    return f();
  } finally {
    state.kernelDepth--;
  }
}
