/** `process.stdin` of cells: every line that is read from it is asked of the person at the notebook. */
import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers';

/** Puts the stream in its place; it is made when code first reads from it. */
export function provideStdin(ask: () => string): void {
  let stdin: Readable | null = null;
  const get = (): Readable => {
    if (!stdin || stdin.destroyed) stdin = lines(ask);
    return stdin;
  };
  Object.defineProperty(process, 'stdin', { get, configurable: true, enumerable: true });
}

/**
 * A line at a time. Each is asked for a turn of the event loop after it is wanted, and not of a reader that has paused:
 * by then `readline` has shown its next question, or was closed.
 */
function lines(ask: () => string): Readable {
  let isWanted = false;
  const stream = new Readable({
    // Nothing is asked ahead of its use.
    highWaterMark: 0,
    read: () => {
      isWanted = true;
      setImmediate(give);
    },
  });
  const give = (): void => {
    if (!isWanted || stream.isPaused()) return;
    isWanted = false;
    try {
      stream.push(`${ask()}\n`);
    } catch (error) {
      stream.destroy(error as Error);
    }
  };
  stream.on('resume', () => setImmediate(give));
  return stream;
}
