/** Which cell's code runs now: output belongs to it, and an interrupt ends what it waits for. */
import { setTimeout as startTimer } from 'node:timers';
import { bare } from './own.ts';

const { apply } = Reflect;
const { defineProperties, getOwnPropertyDescriptors } = Object;
const enqueue = queueMicrotask;

/** Something that a cell waits for: a link of its list, which needs no built-in that a cell could replace. */
export interface Wait {
  stop: () => void;
  next: Wait | undefined;
  previous: Wait | undefined;
}

/** One run of a cell, also after its end: timers and loose promises may still run its code. */
export class Context {
  /** The request that ran the cell. */
  readonly parent: string;
  readonly abort: AbortController = new AbortController();
  /** How often the cell was interrupted. */
  stops = 0;
  /** Interrupts that the cell's own code has caught without ending. */
  swallowed = 0;
  /** How many awaits of `finally` blocks are pending. */
  finishing = 0;
  #first: Wait | undefined;

  constructor(parent: string) {
    this.parent = parent;
  }

  add(stop: () => void): Wait {
    const wait: Wait = { stop, next: this.#first, previous: undefined };
    if (this.#first) this.#first.previous = wait;
    this.#first = wait;
    return wait;
  }

  remove(wait: Wait): void {
    if (wait.previous) wait.previous.next = wait.next;
    else if (this.#first === wait) this.#first = wait.next;
    if (wait.next) wait.next.previous = wait.previous;
    wait.next = undefined;
    wait.previous = undefined;
  }

  /** Ends all that the cell waits for; `reason` is what its code gets to see. */
  stop(reason: Error): void {
    this.stops++;
    this.abort.abort(reason);
    for (let wait = this.#first; wait; wait = this.#first) {
      this.remove(wait);
      wait.stop();
    }
  }
}

export class Contexts {
  #current = new Context('');
  /** Whose timer threw the error that is on its way to the process. */
  #failed: Context | undefined;
  readonly #onSwitch: () => void;

  /** `onSwitch` is called before other code takes over. */
  constructor(onSwitch: () => void) {
    this.#onSwitch = onSwitch;
  }

  get current(): Context {
    return this.#current;
  }

  /** From now on, code is a new cell's. */
  begin(parent: string): Context {
    this.#switch(new Context(parent));
    return this.#current;
  }

  /** Runs what a message causes: part of that message, as all is that comes later if no cell runs. */
  cause(parent: string, isIdle: boolean, work: () => void): void {
    const context = new Context(parent);
    if (!isIdle) this.within(context, work);
    else {
      this.#switch(context);
      work();
      this.#onSwitch();
    }
  }

  /** Runs work as part of another context. */
  within<T>(context: Context, work: () => T): T {
    const before = this.#current;
    if (before === context) return work();
    this.#switch(context);
    try {
      return work();
    } finally {
      // A cell that the work has begun stays.
      if (this.#current === context) this.#switch(before);
    }
  }

  /** Settles a promise whose continuation, which comes in the very next microtask, belongs to the context. */
  settle(context: Context, settle: () => void): void {
    const before = this.#current;
    if (before === context) {
      settle();
      return;
    }
    enqueue(() => this.#switch(context));
    settle();
    enqueue(() => {
      if (this.#current === context) this.#switch(before);
    });
  }

  /** The context of an error that nobody caught. */
  takeFailed(): Context {
    const failed = this.#failed ?? this.#current;
    this.#failed = undefined;
    return failed;
  }

  /** Timers that a cell sets run as part of it, whichever cell runs by then. */
  installTimers(): void {
    for (const name of ['setTimeout', 'setInterval', 'setImmediate'] as const) {
      const own = globalThis[name] as (...args: unknown[]) => unknown;
      const set = (...args: unknown[]): unknown => {
        const callback = args[0];
        if (typeof callback === 'function') args[0] = this.#bound(callback as () => unknown);
        return apply(own, globalThis, args);
      };
      defineProperties(set, getOwnPropertyDescriptors(own));
      Object.defineProperty(
        globalThis,
        name,
        bare({ value: set, writable: true, enumerable: true, configurable: true }),
      );
    }
  }

  #bound(callback: (...args: unknown[]) => unknown): (...args: unknown[]) => unknown {
    const contexts = this;
    const context = this.#current;
    return function (this: unknown, ...args: unknown[]): unknown {
      return contexts.within(context, () => {
        try {
          return apply(callback, this, args);
        } catch (error) {
          contexts.#failed = context;
          throw error;
        }
      });
    };
  }

  #switch(to: Context): void {
    if (to === this.#current) return;
    this.#onSwitch();
    this.#current = to;
  }
}

/** The kernel's own timer, which belongs to no cell. */
export const later: typeof startTimer = startTimer;
