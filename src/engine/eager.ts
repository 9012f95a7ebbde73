/** `compile` and `profile` of engines that compute at once, and the sum that every profile is. */
import { replaceKernels } from './check.ts';
import { displayedProfile } from './display.ts';
import type { Compiled, Profile, ProfileRow, ProfileStack, TensorFunction } from './engine.ts';
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

/** Times of chains of calls, added up as they come. */
export class ProfileStacks {
  readonly #stacks = new Map<string, { path: string[]; calls: number; ms: number }>();

  add(path: string[], ms: number): void {
    const key = path.join('/');
    const stack = this.#stacks.get(key) ?? { path, calls: 0, ms: 0 };
    this.#stacks.set(key, { path, calls: stack.calls + 1, ms: stack.ms + ms });
  }

  /** The profile, longest first, with a display of its own. */
  toProfile(wallMs: number): Profile {
    const stacks = [...this.#stacks.values()].sort((a, b) => b.ms - a.ms);
    return displayedProfile({ wallMs, operations: byOperation(stacks), stacks });
  }
}

function byOperation(stacks: readonly ProfileStack[]): ProfileRow[] {
  const rows = new Map<string, ProfileRow>();
  for (const { path, calls, ms } of stacks) {
    const operation = path.at(-1) ?? '';
    const row = rows.get(operation) ?? { operation, calls: 0, ms: 0 };
    rows.set(operation, { operation, calls: row.calls + calls, ms: row.ms + ms });
  }
  return [...rows.values()].sort((a, b) => b.ms - a.ms);
}
