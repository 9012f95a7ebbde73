/** The run-time half of interruptible awaits (see server/guard.ts). */

type Items = AsyncIterable<unknown> | Iterable<unknown>;
type Globals = typeof globalThis & {
  __await__?: (value: unknown, at: string) => unknown;
  __each__?: (items: unknown, at: string) => AsyncIterable<unknown>;
};

/** Defines the two functions that guarded cells call; `signal` gives the running cell's. */
export function installGuards(signal: () => AbortSignal): void {
  const globals = globalThis as Globals;
  const define = (name: '__await__' | '__each__', value: unknown): void => {
    Object.defineProperty(globals, name, { value, enumerable: false, configurable: true });
  };
  define('__await__', (value: unknown, at: string): unknown => interruptible(value, signal(), at));
  define('__each__', (items: Items, at: string) => interruptibleEach(items, signal(), at));
}

/** Settles as `value` does, or rejects with the signal's reason when it aborts first. */
function interruptible(value: unknown, signal: AbortSignal, at: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    Promise.resolve(value).then(
      (result) => {
        settled();
        resolve(result);
      },
      (error: unknown) => {
        settled();
        reject(withFrame(error, at));
      },
    );
  });
}

/** Yields what `items` yields; on an abort it tells `items` to finish and throws the reason. */
async function* interruptibleEach(items: Items, signal: AbortSignal, at: string): AsyncGenerator<unknown> {
  const iterator = asyncIterator(items);
  let isDone = false;
  try {
    for (;;) {
      const next = (await interruptible(iterator.next(), signal, at)) as IteratorResult<unknown>;
      if (next.done) {
        isDone = true;
        return;
      }
      yield next.value;
    }
  } finally {
    const finished = isDone ? undefined : iterator.return?.();
    // An aborted generator may be deep in work: it finishes at its next yield, and nobody waits for it.
    if (signal.aborted) void Promise.resolve(finished).catch(() => {});
    else await finished;
  }
}

/** Completes a stack trace that ends at the guard with the place of the await. */
function withFrame(error: unknown, at: string): unknown {
  if (error instanceof Error && typeof error.stack === 'string') error.stack += `\n    at async ${at}`;
  return error;
}

function asyncIterator(items: Items): AsyncIterator<unknown> {
  if (items !== null && typeof items === 'object' && Symbol.asyncIterator in items)
    return items[Symbol.asyncIterator]();
  const iterator = (items as Iterable<unknown>)[Symbol.iterator]();
  return {
    next: async () => {
      const { done, value } = iterator.next();
      return { done: done ?? false, value: await value };
    },
    return: async () => {
      iterator.return?.();
      return { done: true, value: undefined };
    },
  };
}
