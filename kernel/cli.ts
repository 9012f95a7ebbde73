#!/usr/bin/env node
/** Commands about the kernel: `kernel install`, `notebook run`, `lab`. The main command hands over to this one. */
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { installKernel } from './install.ts';
import { runLab, splitFolder } from './lab.ts';
import { type RunFlags, runNotebookFiles } from './notebook/command.ts';
import { type ParameterValue, parseParameter } from './notebook/parameters.ts';

const main = join(dirname(fileURLToPath(import.meta.url)), 'main.js');

const program = new Command('reward-forcing').exitOverride();

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
  .description('execute notebooks from top to bottom')
  .argument('<file...>', 'the notebooks')
  .option('--param <name=value>', 'a parameter, as papermill defines them; repeatable', collectParameter, {})
  .option('--out <file>', 'where to write the executed notebook of one notebook (default: in place)')
  .option('--html <file>', 'also write a self-contained HTML page')
  .option('--timeout <seconds>', 'longest time for one cell', positiveSeconds)
  .option('--allow-errors', 'go on after a cell that failed')
  .option('--quiet', 'print no progress')
  .action(run);

program
  .command('lab')
  .description('start JupyterLab with the kernel, in a virtual environment of its own')
  .argument('[folder]', 'where the notebooks are (default: notebooks, or else here)')
  .argument('[options...]', 'options of JupyterLab, such as --no-browser --port 9999')
  .option('--environment <folder>', 'the virtual environment', '.venv')
  .allowUnknownOption()
  .action((_folder, _options, flags: { environment: string }, command: Command) => lab(command.args, flags));

// Nobody reads on (`| head -1`), or the disk is full: the end, without a stack; where neither can be told, the code is.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? 0 : 1));
process.stderr.on('error', () => undefined);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error as Error);
}

/** Exit codes: 1 the work failed, 2 the command was called wrongly, which commander has said already. */
function report(error: Error): 0 | 1 | 2 {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  process.stderr.write(`${error.message}\n`);
  return 1;
}

function positiveSeconds(text: string): number {
  const seconds = Number(text);
  if (!(seconds > 0 && Number.isFinite(seconds)))
    throw new InvalidArgumentError(`wanted seconds above 0, received ${text}.`);
  return seconds;
}

async function lab(given: readonly string[], flags: { environment: string }): Promise<void> {
  const [folder, args] = splitFolder(given);
  process.exitCode = await runLab(main, { folder, environment: resolve(flags.environment), args, say });
}

async function run(files: string[], flags: RunFlags): Promise<void> {
  process.exitCode = await runNotebookFiles(main, files, flags);
}

function collectParameter(text: string, before: Record<string, ParameterValue>): Record<string, ParameterValue> {
  const [name, value] = parseParameter(text);
  return { ...before, [name]: value };
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
