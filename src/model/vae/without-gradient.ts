import { tf } from '../../engine/tf.ts';

/** Runs `f` so that an enclosing gradient treats its results as constants and keeps nothing for them. */
export function withoutGradient<T>(f: () => T): T {
  const { state } = tf.engine();
  state.kernelDepth++; // operations inside a kernel are not recorded
  try {
    return f();
  } finally {
    state.kernelDepth--;
  }
}
