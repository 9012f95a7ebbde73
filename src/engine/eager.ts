/** `compile` and `profile` of engines that compute at once. */
import { replaceKernels } from './check.ts';
import type { Compiled, Profile, TensorFunction } from './engine.ts';
import { ProfileStacks } from './profile.ts';
import { tf } from './tf.ts';

/** Runs the function each time; temporary tensors are disposed of, as on every engine. */
export function compileEager<A extends readonly unknown[], R>(name: string, fn: TensorFunction<A, R>): Compiled<A, R> {
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

/** Times every kernel of the backend in use; a kernel that calls another counts without it. */
export function profileEager(work: () => void): Profile {
  const stacks = new ProfileStacks();
  const open: { path: string[]; innerMs: number }[] = [];
  const restore = replaceKernels(tf.getBackend(), ({ kernelName, kernelFunc }) => (call) => {
    const frame = { path: [...(open.at(-1)?.path ?? []), kernelName], innerMs: 0 };
    open.push(frame);
    const start = performance.now();
    try {
      return kernelFunc(call);
    } finally {
      const ms = performance.now() - start;
      open.pop();
      const caller = open.at(-1);
      if (caller) caller.innerMs += ms;
      stacks.add(frame.path, ms - frame.innerMs);
    }
  });
  try {
    const start = performance.now();
    tf.tidy(work);
    return stacks.toProfile(performance.now() - start);
  } finally {
    restore();
  }
}
