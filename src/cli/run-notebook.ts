import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../io/internal.ts';

/** Where an executed notebook goes, and what it runs with. */
export interface NotebookRun {
  notebook: string;
  page: string;
  parameters: Readonly<Record<string, string | number>>;
  signal: AbortSignal;
}

/**
 * Runs a notebook by the kernel's command line, whose progress goes to standard error. The signal ends it as Ctrl-C
 * does.
 *
 * @throws Error if a cell fails; the abort reason if the signal stops it.
 */
export async function runNotebook(file: string, { notebook, page, parameters, signal }: NotebookRun): Promise<void> {
  const given = Object.entries(parameters).flatMap(([name, value]) => ['--param', `${name}=${JSON.stringify(value)}`]);
  const script = join(packageRoot(), 'dist', 'kernel', 'cli.js');
  const args = [script, 'notebook', 'run', file, ...given, '--out', notebook, '--html', page];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 2, 2] });
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', resolve);
    });
    signal.throwIfAborted();
    if (code !== 0)
      throw new Error(`the notebook ${file} stopped with code ${code}: the cell that failed is named above`);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
