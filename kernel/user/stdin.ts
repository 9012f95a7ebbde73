/** `process.stdin` of cells: every line that is read from it is asked of the person at the notebook. */
import { Readable } from 'node:stream';

/** Puts the stream in its place; it is made when code first reads from it. */
export function provideStdin(ask: () => string): void {
  let stdin: Readable | null = null;
  const get = (): Readable => {
    stdin ??= new Readable({
      // Nothing is asked ahead of its use.
      highWaterMark: 0,
      read(): void {
        try {
          this.push(`${ask()}\n`);
        } catch (error) {
          this.destroy(error as Error);
          stdin = null;
        }
      },
    });
    return stdin;
  };
  Object.defineProperty(process, 'stdin', { get, configurable: true, enumerable: true });
}
