#!/usr/bin/env node
/** Commands about the kernel: `kernel install`, `notebook run`, `lab`. The main command hands over to this one. */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { KernelClient } from './client/client.ts';
import { installKernel } from './install.ts';
import { runLab } from './lab.ts';
import { type Notebook, readNotebook, writeNotebookText } from './notebook/document.ts';
import { notebookToHtml } from './notebook/html.ts';
import { injectParameters, type ParameterValue, parseParameter } from './notebook/parameters.ts';
import { PROVENANCE_KEY, readProvenance } from './notebook/provenance.ts';
import { runNotebook } from './notebook/run.ts';
import { packageRoot } from './package-root.ts';

const main = join(dirname(fileURLToPath(import.meta.url)), 'main.js');

interface RunFlags {
  param: Record<string, ParameterValue>;
  out?: string;
  html?: string;
  timeout?: number;
  allowErrors?: boolean;
  quiet?: boolean;
}

const program = new Command('reward-forcing');

program
  .command('kernel')
  .description('the Jupyter kernel')
  .command('install')
  .description('register the kernel with Jupyter')
  .option('--user', 'for this user (the default)')
  .option('--prefix <folder>', 'into the environment at this folder, such as a virtual environment')
  .action((flags: { prefix?: string }) => {
    say(`installed the kernel specification in ${installKernel(main, flags)}`);
  });

program
  .command('notebook')
  .description('notebooks without Python')
  .command('run')
  .description('execute a notebook from top to bottom')
  .argument('<file>', 'the notebook')
  .option('--param <name=value>', 'a parameter, as papermill defines them; repeatable', collectParameter, {})
  .option('--out <file>', 'where to write the executed notebook (default: the notebook itself)')
  .option('--html <file>', 'also write a self-contained HTML page')
  .option('--timeout <seconds>', 'longest time for one cell', Number)
  .option('--allow-errors', 'go on after a cell that failed')
  .option('--quiet', 'print no progress')
  .action(run);

program
  .command('lab')
  .description('start JupyterLab with the kernel, in a virtual environment of its own')
  .argument('[folder]', 'where the notebooks are', existsSync('notebooks') ? 'notebooks' : '.')
  .option('--environment <folder>', 'the virtual environment', '.venv')
  .allowExcessArguments()
  .action(lab);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}

async function lab(folder: string, flags: { environment: string }, command: Command): Promise<void> {
  const environment = resolve(flags.environment);
  process.exitCode = await runLab(main, { folder, environment, args: command.args.slice(1), say });
}

async function run(file: string, flags: RunFlags): Promise<void> {
  const notebook = injectParameters(readNotebook(file), flags.param);
  const kernel = await KernelClient.start({
    argv: [process.execPath, main, '{connection_file}'],
    cwd: dirname(resolve(file)),
    onLog: (text) => process.stderr.write(text),
  });
  process.once('SIGINT', () => void kernel.request('control', 'interrupt_request', {}));
  try {
    const result = await runNotebook(notebook, kernel, {
      ...(flags.timeout !== undefined && { timeoutMs: flags.timeout * 1000 }),
      ...(flags.allowErrors && { allowErrors: true }),
      ...(!flags.quiet && {
        onCell: (index: number, total: number) => say(`cell ${index} of ${total}`),
        onText: (text: string) => process.stdout.write(text),
      }),
    });
    const provenance = await readProvenance(result.notebook, kernel, packageRoot(dirname(main)), flags.param);
    result.notebook.metadata = { ...result.notebook.metadata, [PROVENANCE_KEY]: provenance };
    save(result.notebook, file, flags);
    if (result.error) {
      process.stderr.write(
        `\ncell ${result.error.cell + 1} of ${file} failed:\n${result.error.traceback.join('\n')}\n`,
      );
      process.exitCode = 1;
    }
  } finally {
    await kernel.stop();
  }
}

function save(notebook: Notebook, file: string, flags: RunFlags): void {
  write(flags.out ?? file, writeNotebookText(notebook));
  if (flags.html) write(flags.html, notebookToHtml(notebook, basename(file, '.ipynb')));
}

/** Aside first, so that a full disk leaves no half-written file under the final name. */
function write(path: string, text: string): void {
  const aside = `${path}.${process.pid}.tmp`;
  writeFileSync(aside, text);
  renameSync(aside, path);
  say(`wrote ${path}`);
}

function collectParameter(text: string, before: Record<string, ParameterValue>): Record<string, ParameterValue> {
  const [name, value] = parseParameter(text);
  return { ...before, [name]: value };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
