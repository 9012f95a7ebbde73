/** JupyterLab with this kernel: in a virtual environment of its own, made on the first start. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installKernel } from './install.ts';

/** JupyterLab itself, and the front ends of figures and widgets. */
const PACKAGES = ['jupyterlab', 'plotly', 'anywidget'];

const NO_PYTHON = `JupyterLab is a Python program, and no Python 3.9 or newer was found here.
Get it in one of these ways, then run the command again:
  uv      https://docs.astral.sh/uv (brings its own Python)
  Python  https://www.python.org/downloads, or your system's package "python3" together with "python3-venv"
Without Python a notebook runs too: reward-forcing notebook run FILE --html page.html`;

const isWindows: boolean = process.platform === 'win32';

/** A command and its arguments. */
export type Invocation = readonly [command: string, ...args: string[]];

/**
 * What makes an environment with `packages`, which may be options of pip: uv where it is there, venv and pip otherwise.
 * Throws where there is neither.
 */
export function environmentPlan(
  environment: string,
  packages: readonly string[],
  isThere: (command: string) => boolean = answers,
): Invocation[] {
  const python = programIn(environment, 'python');
  if (isThere('uv')) {
    return [
      ['uv', 'venv', environment],
      ['uv', 'pip', 'install', '--python', python, ...packages],
    ];
  }
  const system = ['python3', 'python'].find(isThere);
  if (!system) throw new Error(NO_PYTHON);
  return [
    [system, '-m', 'venv', environment],
    [python, '-m', 'pip', 'install', '--quiet', ...packages],
  ];
}

/** The folder of the notebooks, and the options that JupyterLab gets. */
export function splitFolder(given: readonly string[]): [folder: string, options: readonly string[]] {
  const [first, ...rest] = given;
  if (first !== undefined && !first.startsWith('-')) return [first, rest];
  return [existsSync('notebooks') ? 'notebooks' : '.', given];
}

/** Starts JupyterLab in `folder` and resolves to its exit code. `say` hears what is being done. */
export async function runLab(
  main: string,
  options: { folder: string; environment: string; args: readonly string[]; say: (text: string) => void },
): Promise<number> {
  const { folder, environment, args, say } = options;
  const jupyter = programIn(environment, 'jupyter-lab');
  if (!existsSync(jupyter)) {
    const plan = environmentPlan(environment, PACKAGES);
    say(`making ${environment} with ${PACKAGES.join(', ')}: once, about a minute`);
    for (const [command, ...rest] of plan) runOrThrow(command, rest);
  }
  // JupyterLab's own JavaScript is CommonJS: a package around the environment must not make it something else.
  writeFileSync(join(environment, 'package.json'), '{ "private": true }\n');
  say(`the kernel is in ${installKernel(main, { prefix: environment })}`);
  const lab = spawn(jupyter, [folder, ...args], { stdio: 'inherit' });
  // Ctrl-C reaches JupyterLab as well; it asks back, so this process waits for it.
  process.on('SIGINT', () => {});
  return new Promise((resolve, reject) => {
    lab.once('error', reject);
    lab.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Where an environment has a program. */
export function programIn(environment: string, name: string): string {
  return isWindows ? join(environment, 'Scripts', `${name}.exe`) : join(environment, 'bin', name);
}

function answers(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

function runOrThrow(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (status === 0) return;
  const why = error?.message ?? `it ended with code ${status}`;
  throw new Error(`"${command} ${args.join(' ')}" failed: ${why}. Remove the environment's folder before a new try.`);
}
