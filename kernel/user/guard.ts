/** The run-time half of interruptible awaits (see server/guard.ts). */
import { clearTimeout } from 'node:timers';
import { type Context, type Contexts, later } from './contexts.ts';
import { bare } from './own.ts';

type Items = AsyncIterable<unknown> | Iterable<unknown>;

/** An await in a `finally` block has begun: its expression is computed next. */
interface Entry {
  context: Context;
  isCounted: boolean;
}

/** Longest time that an interrupted cell's own code waits for a generator to finish. */
const FINISH_WITHIN_MS = 2000;
/** A cell that goes on after so many interrupts of its awaits never hears of its next one: it ends there. */
const SWALLOWED = 3;

const OwnPromise = Promise;
const enqueue = queueMicrotask;
const { defineProperty } = Reflect;

/** From now on, or no longer, the next tensor operation ends what it belongs to. */
type EndAtTensors = (on: boolean) => void;

/** Defines the functions that guarded cells call. */
export function installGuards(contexts: Contexts, endAtTensors: EndAtTensors): void {
  const define = (name: string, value: unknown): void => {
    defineProperty(globalThis, name, bare({ value, enumerable: false, configurable: true }));
  };
  define('__await__', (value: unknown, at: string) => interruptible(contexts, contexts.current, value, at));
  define('__enter__', () => enter(contexts.current));
  define('__finally__', (entry: Entry, value: unknown, at: string) => finishing(contexts, entry, value, at));
  define('__each__', (items: Items, at: string) => interruptibleEach(contexts, items, at, endAtTensors));
}

/**
 * Settles as `value` does, or rejects with the reason of an interrupt that comes first, once `before` has been done.
 * Code that belongs to a `finally` block may finish after one interrupt, and not after a second.
 */
function interruptible(
  contexts: Contexts,
  context: Context,
  value: unknown,
  at: string,
  before?: () => Promise<unknown>,
): Promise<unknown> {
  return new OwnPromise((resolve, reject) => {
    const refuse = (): void => {
      if (context.swallowed++ < SWALLOWED) contexts.settle(context, () => reject(context.abort.signal.reason));
    };
    const stop = before ? (): void => void follow(before(), refuse, refuse) : refuse;
    if (context.stops > 1 || (context.stops === 1 && context.finishing === 0)) {
      stop();
      return;
    }
    const wait = context.add(stop);
    const settle = (settled: () => void): void => {
      context.remove(wait);
      contexts.settle(context, settled);
    };
    void follow(
      value,
      (result) => settle(() => resolve(result)),
      (error) => settle(() => reject(withFrame(error, at))),
    );
  });
}

/** Calls one of the two when `value` has settled. An `await` asks no method that a cell could have replaced. */
export async function follow(
  value: unknown,
  done: (result: unknown) => void,
  failed: (error: unknown) => void,
): Promise<void> {
  let result: unknown;
  try {
    result = await value;
  } catch (error) {
    failed(error);
    return;
  }
  done(result);
}

/** Before the expression of an await in a `finally` block: awaits of functions that it calls may finish as well. */
function enter(context: Context): Entry {
  const entry: Entry = { context, isCounted: true };
  context.finishing++;
  // An expression that throws never comes to its await.
  enqueue(() => leave(entry));
  return entry;
}

function leave(entry: Entry): void {
  if (entry.isCounted) entry.context.finishing--;
  entry.isCounted = false;
}

async function finishing(contexts: Contexts, entry: Entry, value: unknown, at: string): Promise<unknown> {
  const { context } = entry;
  context.finishing++;
  leave(entry);
  try {
    return await interruptible(contexts, context, value, at);
  } finally {
    context.finishing--;
  }
}

/** Yields what `items` yields; on an interrupt it lets `items` finish and throws the reason. */
function interruptibleEach(
  contexts: Contexts,
  items: Items,
  at: string,
  endAtTensors: EndAtTensors,
): AsyncIterableIterator<unknown> {
  const context = contexts.current;
  const iterator = asyncIterator(items);
  const end = (): Promise<unknown> => finish(iterator, endAtTensors);
  const next = (): Promise<IteratorResult<unknown>> =>
    interruptible(contexts, context, started(iterator), at, end) as Promise<IteratorResult<unknown>>;
  const back = async (): Promise<IteratorResult<unknown>> => {
    await (context.stops > 0 ? end() : iterator.return?.());
    return { done: true, value: undefined };
  };
  const each: AsyncIterableIterator<unknown> = { next, return: back, [Symbol.asyncIterator]: () => each };
  return each;
}

/** A `next` that throws rejects. */
async function started(iterator: AsyncIterator<unknown>): Promise<unknown> {
  return iterator.next();
}

/**
 * Ends a generator that may be deep in work: at its next tensor operation or yield. What it holds is released before
 * the cell's own `finally` blocks run, which may dispose of the weights that it trains.
 */
async function finish(iterator: AsyncIterator<unknown>, endAtTensors: EndAtTensors): Promise<void> {
  await new OwnPromise<void>((resolve) => {
    const timer = later(resolve, FINISH_WITHIN_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    endAtTensors(true);
    void follow(returned(iterator), done, done);
  });
  endAtTensors(false);
}

async function returned(iterator: AsyncIterator<unknown>): Promise<unknown> {
  return iterator.return?.();
}

/** Completes a stack trace that ends at the guard with the place of the await. */
function withFrame(error: unknown, at: string): unknown {
  try {
    if (error instanceof Error && typeof error.stack === 'string') error.stack += `\n    at async ${at}`;
  } catch {
    // A stack of its own kind stays as it is.
  }
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
