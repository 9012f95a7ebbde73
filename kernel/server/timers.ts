/**
 * Timers for the compiler. tslab's converter fires the one that makes the next program itself and knows no other, while
 * the compiler sets a second one when a file appears that an import had missed.
 */

type System = import('@tslab/typescript-for-tslab').System;
type Callback = (...args: unknown[]) => void;

/** The compiler's name for what makes the next program. */
const NEXT_PROGRAM = 'updateProgramWithWatchStatus';

/** The converter's file system, with timers of their own for all else that the compiler schedules. */
export function withTimers(system: System): System {
  const { setTimeout: setNext, clearTimeout: clearNext } = system;
  const own = new WeakSet<object>();
  const start = (callback: Callback, ms: number, ...args: unknown[]): unknown => {
    if (callback.name === NEXT_PROGRAM) return startNext(() => callback(...args), ms);
    const timer = setTimeout(callback, ms, ...args).unref();
    own.add(timer);
    return timer;
  };
  /** The converter would wait for ever for a program whose making failed. */
  const startNext = (callback: () => void, ms: number): unknown => {
    const timer: unknown = setNext?.(() => {
      try {
        callback();
      } catch (error) {
        clearNext?.(timer);
        throw error;
      }
    }, ms);
    return timer;
  };
  const clear = (timer: unknown): void => {
    if (own.has(timer as object)) clearTimeout(timer as NodeJS.Timeout);
    else clearNext?.(timer);
  };
  return Object.create(system, { setTimeout: { value: start }, clearTimeout: { value: clear } });
}
