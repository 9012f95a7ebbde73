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
