import { writeSync } from 'node:fs';

/**
 * Ends the process quietly when nobody reads its output any more (`| head -1`), and in one line when the output cannot
 * be written, such as on a full disk.
 */
export function guardOutput(): void {
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') process.exit(0);
    complain(`error: cannot write the output: ${code === 'ENOSPC' ? 'no space is left on its device' : message}\n`);
    process.exit(1);
  });
  // where complaints cannot be written, the exit code is what is left to tell
  process.stderr.on('error', () => undefined);
}

function complain(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // as above
  }
}
