import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/**
 * Runs another program of this package in this terminal; resolves to its exit code, 128 and the signal's number when
 * a signal ended it. Ctrl-C reaches the child by itself, so that this process only waits.
 */
export async function handOver(script: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [script, ...args], { stdio: 'inherit' });
  const wait = (): void => undefined;
  const pass = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  process.on('SIGINT', wait);
  process.on('SIGTERM', pass);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]));
    });
  } finally {
    process.off('SIGINT', wait);
    process.off('SIGTERM', pass);
  }
}
