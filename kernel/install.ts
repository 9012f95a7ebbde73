/** Where this package is, and how Jupyter finds its kernel. Source: jupyter_client documentation, "Kernel specs". */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

export const KERNEL_NAME = 'reward-forcing';

export interface KernelSpec {
  argv: string[];
  display_name: string;
  language: string;
  interrupt_mode: 'message' | 'signal';
  metadata: { [key: string]: unknown };
}

/** The specification that starts `main` with the Node.js that runs now. */
export function kernelSpec(main: string): KernelSpec {
  return {
    argv: [process.execPath, main, '{connection_file}'],
    display_name: 'TypeScript (Reward-Forcing)',
    language: 'typescript',
    interrupt_mode: 'message',
    metadata: { debugger: false },
  };
}

/** Jupyter's data folder of the user, by platform; JUPYTER_DATA_DIR wins. */
export function userDataFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env['JUPYTER_DATA_DIR']) return env['JUPYTER_DATA_DIR'];
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Jupyter');
  if (process.platform === 'win32') return join(env['APPDATA'] ?? join(homedir(), 'AppData', 'Roaming'), 'jupyter');
  return join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'jupyter');
}

/**
 * Writes the kernel specification and returns its folder; an earlier one is replaced as a whole.
 *
 * @throws Error with the folder if it cannot be written.
 */
export function installKernel(main: string, options: { prefix?: string } = {}): string {
  const data = options.prefix === undefined ? userDataFolder() : join(options.prefix, 'share', 'jupyter');
  const folder = join(data, 'kernels', KERNEL_NAME);
  const aside = `${folder}.${process.pid}`;
  try {
    mkdirSync(aside, { recursive: true });
    writeFileSync(join(aside, 'kernel.json'), `${JSON.stringify(kernelSpec(main), null, 2)}\n`);
    rmSync(folder, { recursive: true, force: true });
    renameSync(aside, folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const fix = options.prefix === undefined ? 'set JUPYTER_DATA_DIR, or give --prefix' : 'give another --prefix';
    throw new Error(`cannot write the kernel specification to ${folder} (${code ?? message}): ${fix}`, {
      cause: error,
    });
  }
  return folder;
}

/** The nearest folder upwards with a package.json: the package's root from dist/ as from an installed copy. */
export function packageRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const up = dirname(from);
  if (up === from) throw new Error('no package.json above the kernel: the installation is damaged');
  return packageRoot(up);
}
