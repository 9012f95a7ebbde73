/** The kernel's own command line, run as a child: by the user, or for a notebook. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../io/internal.ts';

/** Starts it with the file descriptors of its standard streams. */
function start(args: readonly string[], stdio: ('ignore' | 'inherit' | 2)[]) {
  const child = spawn(process.execPath, [join(packageRoot(), 'dist', 'kernel', 'cli.js'), ...args], { stdio });
  const ended = new Promise<[code: number | null, signal: NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => resolve([code, signal]));
  });
  return { child, ended };
}

/**
 * Runs it in this terminal; resolves to its exit code, 128 and the signal's number when a signal ended it. Ctrl-C
 * reaches the child by itself, so that this process only waits.
 */
export async function handOver(args: readonly string[]): Promise<number> {
  const { child, ended } = start(args, ['inherit', 'inherit', 'inherit']);
  const wait = (): void => undefined;
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGINT', wait);
  process.on('SIGTERM', pass);
  try {
    const [code, signal] = await ended;
    return code ?? 128 + constants.signals[signal!];
  } finally {
    process.off('SIGINT', wait);
    process.off('SIGTERM', pass);
  }
}

export interface NotebookRun {
  notebook: string;
  page: string;
  parameters: Readonly<Record<string, string | number>>;
  signal: AbortSignal;
}

/**
 * Runs a notebook; its progress goes to standard error. The signal ends it as Ctrl-C does.
 *
 * @throws Error if a cell fails; the abort reason if the signal stops it.
 */
export async function runNotebook(file: string, { notebook, page, parameters, signal }: NotebookRun): Promise<void> {
  const given = Object.entries(parameters).flatMap(([name, value]) => ['--param', `${name}=${JSON.stringify(value)}`]);
  const args = ['notebook', 'run', file, ...given, '--out', notebook, '--html', page];
  const { child, ended } = start(args, ['ignore', 2, 2]);
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    const [code] = await ended;
    signal.throwIfAborted();
    if (code === 0) return;
    throw new Error(`the notebook ${file} stopped with code ${code}: the cell that failed is named above`);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
