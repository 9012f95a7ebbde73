/** `compile` and `profile` of engines that compute at once and do not tell their operations apart. */
import type { Compiled, EngineName, Profile, TensorFunction } from './engine.ts';
import { tf } from './tf.ts';

/** Runs the function each time; temporary tensors are disposed of, as on every engine. */
export function compileEager<A extends readonly unknown[], R>(
  name: EngineName,
  fn: TensorFunction<A, R>,
): Compiled<A, R> {
  let recorded = 0;
  const call = (...args: A): R => {
    recorded++;
    return tf.tidy(() => fn(...args) as never) as R;
  };
  return Object.assign(call, {
    status: () => ({ replayed: 0, recorded, plans: 0, reason: `the ${name} engine does not compile` }),
    dispose: () => undefined,
  });
}

/** Wall time alone. */
export function profileEager(work: () => void): Profile {
  const start = performance.now();
  tf.tidy(work);
  return { wallMs: performance.now() - start, operations: [] };
}
