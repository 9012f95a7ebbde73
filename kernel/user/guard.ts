/** The run-time half of interruptible awaits (see server/guard.ts). */

type Items = AsyncIterable<unknown> | Iterable<unknown>;
type Globals = typeof globalThis & {
  __await__?: (value: unknown, at: string) => unknown;
  __each__?: (items: unknown, at: string) => AsyncIterable<unknown>;
};

/** Longest time that an interrupted cell's own code waits for a generator to finish. */
const FINISH_WITHIN_MS = 2000;

/** What the guards know of the running cell. */
export interface GuardedCell {
  readonly signal: AbortSignal;
  /** From now on, or no longer, the next tensor operation ends what it belongs to. */
  endAtTensors(on: boolean): void;
}

/** Defines the two functions that guarded cells call; `cell` gives the running one. */
export function installGuards(cell: () => GuardedCell): void {
  const globals = globalThis as Globals;
  const define = (name: '__await__' | '__each__', value: unknown): void => {
    Object.defineProperty(globals, name, { value, enumerable: false, configurable: true });
  };
  define('__await__', (value: unknown, at: string): unknown => interruptible(value, cell().signal, at));
  define('__each__', (items: Items, at: string) => interruptibleEach(items, cell(), at));
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

/** Yields what `items` yields; on an abort it lets `items` finish and throws the reason. */
async function* interruptibleEach(items: Items, cell: GuardedCell, at: string): AsyncGenerator<unknown> {
  const { signal } = cell;
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
    if (!isDone) await (signal.aborted ? finish(iterator, cell) : iterator.return?.());
  }
}

/**
 * Ends a generator that may be deep in work: at its next tensor operation or yield. What it holds is released before
 * the cell's own `finally` blocks run, which may dispose of the weights that it trains.
 */
async function finish(iterator: AsyncIterator<unknown>, cell: GuardedCell): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, FINISH_WITHIN_MS);
  });
  cell.endAtTensors(true);
  await Promise.race([Promise.resolve(iterator.return?.()).catch(() => {}), late]);
  cell.endAtTensors(false);
  clearTimeout(timer);
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
