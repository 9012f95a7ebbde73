import { Interrupted } from './interrupt.ts';

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
