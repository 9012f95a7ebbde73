/** `notebook run`: executes notebook files one after the other, each in a kernel of its own. */
import { renameSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { KernelClient } from '../client/client.ts';
import { packageRoot } from '../install.ts';
import { type Notebook, readNotebook, writeNotebookText } from './document.ts';
import { notebookToHtml } from './html.ts';
import { injectParameters, type ParameterValue } from './parameters.ts';
import { PROVENANCE_KEY, readProvenance } from './provenance.ts';
import { type RunResult, runNotebook } from './run.ts';
import { RunLog } from './run-log.ts';

/** Flags of `notebook run`. */
export interface RunFlags {
  param: Record<string, ParameterValue>;
  out?: string;
  html?: string;
  timeout?: number;
  allowErrors?: boolean;
  quiet?: boolean;
}

/** Exit codes: 1 a cell failed, 130 the run was stopped. */
export type RunCode = 0 | 1 | 130;

/** Runs files with the kernel whose entry is `main`; stops at the first that fails. */
export async function runNotebookFiles(main: string, files: readonly string[], flags: RunFlags): Promise<RunCode> {
  if (files.length > 1 && (flags.out || flags.html)) {
    throw new Error(`--out and --html name one file, and ${files.length} notebooks were given: run them one by one`);
  }
  for (const file of files) {
    const code = await runFile(main, file, flags);
    if (code !== 0) return code;
  }
  return 0;
}

async function runFile(main: string, file: string, flags: RunFlags): Promise<RunCode> {
  const notebook = injectParameters(readNotebook(file), flags.param);
  const log = new RunLog(flags.quiet === true);
  const kernel = await KernelClient.start({
    argv: [process.execPath, main, '{connection_file}'],
    cwd: dirname(resolve(file)),
    onLog: (text) => process.stderr.write(text),
  });
  const stop = new StopSignals(kernel);
  try {
    const result = await runNotebook(notebook, kernel, {
      signal: stop.signal,
      ...(flags.timeout !== undefined && { timeoutMs: flags.timeout * 1000 }),
      ...(flags.allowErrors && { allowErrors: true }),
      ...log.listeners(),
    });
    log.end();
    if (stop.signal.aborted) {
      process.stderr.write(`stopped: ${flags.out ?? file} is as it was\n`);
      return 130;
    }
    const provenance = await readProvenance(result.notebook, kernel, packageRoot(dirname(main)), flags.param);
    result.notebook.metadata = { ...result.notebook.metadata, [PROVENANCE_KEY]: provenance };
    save(result.notebook, file, flags, log);
    return conclude(result, file);
  } finally {
    log.end();
    stop.end();
    await kernel.stop();
  }
}

function conclude({ error }: RunResult, file: string): RunCode {
  if (!error) return 0;
  process.stderr.write(`\ncell ${error.cell + 1} of ${file} failed:\n${error.traceback.join('\n')}\n`);
  return 1;
}

/** Ctrl-C (SIGINT) and SIGTERM interrupt the cell that runs; a second Ctrl-C ends kernel and process at once. */
class StopSignals {
  readonly #kernel: KernelClient;
  readonly #controller = new AbortController();
  #interrupts = 0;

  constructor(kernel: KernelClient) {
    this.#kernel = kernel;
    process.on('SIGINT', this.#onInterrupt);
    process.on('SIGTERM', this.#stop);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  end(): void {
    process.off('SIGINT', this.#onInterrupt);
    process.off('SIGTERM', this.#stop);
  }

  #onInterrupt = (): void => {
    this.#interrupts += 1;
    if (this.#interrupts > 1) {
      this.#kernel.kill();
      process.exit(130);
    }
    this.#stop();
  };

  #stop = (): void => this.#controller.abort();
}

function save(notebook: Notebook, file: string, flags: RunFlags, log: RunLog): void {
  const write = (path: string, text: string): void => {
    writeAside(path, text);
    log.say(`wrote ${path}`);
  };
  write(flags.out ?? file, writeNotebookText(notebook));
  if (flags.html) write(flags.html, notebookToHtml(notebook, file));
}

/** Aside first, so that a full disk leaves no half-written file under the final name. */
function writeAside(path: string, text: string): void {
  const aside = `${path}.${process.pid}.tmp`;
  writeFileSync(aside, text);
  renameSync(aside, path);
}
