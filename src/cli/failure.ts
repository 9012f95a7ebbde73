/** How commands end: wrongly called, failed, stopped, or with nobody who reads them. */
import { writeSync } from 'node:fs';

/** A command that was called wrongly: exit code 2. */
export class UsageError extends Error {
  override readonly name: string = 'UsageError';
}

/** Exit codes: 1 the work failed, 2 the command was called wrongly, 130 it was stopped. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Interrupted) return 130;
  return error instanceof UsageError ? 2 : 1;
}

/** One paragraph for people; with `verbose` the stack and its causes. */
export function explain(error: unknown, verbose: boolean): string {
  if (!(error instanceof Error)) return `error: ${String(error)}`;
  if (error instanceof Interrupted) return error.message;
  if (verbose) return `error: ${error.stack ?? error.message}${causeOf(error)}`;
  return `error: ${error.message.split('\n').join(' ')}`;
}

function causeOf({ cause }: Error): string {
  return cause instanceof Error ? `\ncaused by: ${cause.stack ?? cause.message}${causeOf(cause)}` : '';
}

/** Thrown and signalled when the user stops the work. */
export class Interrupted extends Error {
  override readonly name: string = 'Interrupted';
}

/**
 * Runs work that Ctrl-C (SIGINT) or SIGTERM stops at the next safe point; a second signal ends the process at once.
 * Files are written aside and renamed, so that either way none is left half-written under its name. `after` says what
 * becomes of the work.
 */
export async function interruptible<Result>(
  work: (signal: AbortSignal) => Promise<Result>,
  after: string = 'run the same command again to go on',
): Promise<Result> {
  const controller = new AbortController();
  const stop = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Interrupted(`stopped; ${after}`));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

/**
 * Ends the process quietly when nobody reads its output any more (`| head -1`), and in one line when the output cannot
 * be written, such as on a full disk.
 */
export function guardOutput(): void {
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') process.exit(0);
    const why = code === 'ENOSPC' ? 'no space is left on its device' : message;
    try {
      writeSync(2, `error: cannot write the output: ${why}\n`);
    } catch {
      // where complaints cannot be written, the exit code is what is left to tell
    }
    process.exit(1);
  });
  process.stderr.on('error', () => undefined);
}
