/**
 * The Python that runs Jupyter's own checks. With REWARD_FORCING_VENV=create it is made before the tests, once, in
 * node_modules/.cache; otherwise an environment that is there is taken, or the checks are skipped.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environmentPlan, programIn } from '../../kernel/lab.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const requirements = join(root, 'test', 'kernel', 'python', 'requirements.txt');
const environment = join(root, 'node_modules', '.cache', 'jupyter-checks');
/** Holds the requirements once all of them are installed. */
const made = join(environment, 'made.txt');

const LIMIT_MS = 180_000;
/** A network that does not answer is given up soon. */
const NETWORK = { PIP_RETRIES: '1', PIP_DEFAULT_TIMEOUT: '15', UV_HTTP_TIMEOUT: '15', UV_HTTP_RETRIES: '1' };

/** Set where the environment was asked for and could not be made. */
const PROBLEM = 'REWARD_FORCING_VENV_PROBLEM';

/** Vitest's global setup: makes the environment where it is asked for. What goes wrong is told by the skipped checks. */
export default function setup(): void {
  if (process.env['REWARD_FORCING_VENV'] !== 'create') return;
  const wanted = readFileSync(requirements, 'utf8');
  if (existsSync(made) && readFileSync(made, 'utf8') === wanted) return;
  try {
    rmSync(environment, { recursive: true, force: true });
    mkdirSync(dirname(environment), { recursive: true });
    const packages = ['--only-binary', ':all:', '-r', requirements];
    for (const [command, ...args] of environmentPlan(environment, packages)) run(command, args);
    writeFileSync(made, wanted);
  } catch (error) {
    process.env[PROBLEM] = `the environment could not be made: ${(error as Error).message.split('\n')[0]}`;
  }
}

function run(command: string, args: readonly string[]): void {
  const env = { ...process.env, ...NETWORK };
  const { status, error, stderr } = spawnSync(command, args, { env, encoding: 'utf8', timeout: LIMIT_MS });
  if (status === 0) return;
  throw error ?? new Error(`${command} ${args.join(' ')}: ${stderr.trim().split('\n').at(-1)}`);
}

/** A Python that has the modules, or why there is none. */
export function findPython(modules: string): { python: string; why: null } | { python: null; why: string } {
  const { REWARD_FORCING_PYTHON: named, REWARD_FORCING_JUPYTERLAB: lab, [PROBLEM]: problem } = process.env;
  const python = [
    named,
    lab && join(dirname(lab), 'python'),
    existsSync(made) && programIn(environment, 'python'),
    programIn(join(root, '.venv'), 'python'),
  ].find((path) => path && existsSync(path) && spawnSync(path, ['-c', `import ${modules}`]).status === 0);
  if (python) return { python, why: null };
  const help = `no Python with ${modules}: name one in REWARD_FORCING_PYTHON, or set REWARD_FORCING_VENV=create`;
  return { python: null, why: problem ?? help };
}

/** Runs a script of test/kernel/python with the kernels that are installed in `prefix`. */
export function runPython(
  python: string,
  script: string,
  args: readonly string[],
  prefix: string,
): Promise<{ code: number | null; said: string }> {
  const path = join(root, 'test', 'kernel', 'python', script);
  const env = { ...process.env, JUPYTER_PATH: join(prefix, 'share', 'jupyter'), PYTHONDONTWRITEBYTECODE: '1' };
  const child = spawn(python, [path, ...args], { env });
  let said = '';
  const hear = (chunk: Buffer): void => {
    said += chunk.toString();
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  return new Promise((resolve) => child.on('exit', (code) => resolve({ code, said })));
}
