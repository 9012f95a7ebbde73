/** Where a PJRT plugin is: found, not loaded. Plugins are the shared libraries of wheels; no Python is run to use them. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The command that installs a plugin beside the project. */
export const installCommand = 'reward-forcing engine install xla --cpu, --cuda12 or --cuda13';

/** Folder of the virtual environment that the command makes, in the working folder. */
export const environmentFolder = '.venv-xla';

/** The variable that names a plugin. */
export const pluginVariable = 'REWARD_FORCING_PJRT';

/** A plugin on disk. */
export interface Plugin {
  readonly path: string;
  /** How it was found. */
  readonly source: string;
}

/** The libraries of known wheels below site-packages, accelerators first. */
const libraries = [
  'jax_plugins/xla_cuda13/xla_cuda_plugin.so',
  'jax_plugins/xla_cuda12/xla_cuda_plugin.so',
  'libtpu/libtpu.so',
  'lammps_jax_pjrt_cpu/pjrt_c_api_cpu_plugin.so',
  'xla_plugins/xla_cpu_pjrt/xla_cpu_pjrt.so',
];

/** The folders of packages in a virtual environment. */
function packagesOf(environment: string): string[] {
  const lib = join(environment, 'lib');
  if (!existsSync(lib)) return [];
  const pythons = readdirSync(lib).filter((name) => /^python3\.\d+$/.test(name));
  return pythons.map((python) => join(lib, python, 'site-packages'));
}

function pluginIn(folders: readonly string[], source: string): Plugin | null {
  for (const library of libraries) {
    const path = folders.map((folder) => join(folder, library)).find((file) => existsSync(file));
    if (path !== undefined) return { path, source };
  }
  return null;
}

/** The plugin in a virtual environment, or null. */
export function pluginOfEnvironment(folder: string, source: string): Plugin | null {
  return pluginIn(packagesOf(folder), source);
}

/** The plugin among the packages of python3, or null. */
function pluginOfPython(): Plugin | null {
  const script = "import sysconfig as s; print(s.get_path('purelib'), s.get_path('platlib'), sep='\\n')";
  const { status, stdout } = spawnSync('python3', ['-c', script], { encoding: 'utf8', timeout: 20_000 });
  return status === 0 ? pluginIn(stdout.trim().split('\n'), 'the packages of python3') : null;
}

/** The environments that are active in this shell. */
function pluginOfActive(): Plugin | null {
  for (const variable of ['VIRTUAL_ENV', 'CONDA_PREFIX']) {
    const folder = process.env[variable];
    const found = folder ? pluginOfEnvironment(folder, `${variable} ${folder}`) : null;
    if (found) return found;
  }
  return null;
}

/** A file that was asked for: it must be there. */
function demanded(path: string, asked: string): Plugin {
  if (existsSync(path)) return { path, source: asked };
  throw new Error(
    `engine xla: ${asked} is ${path}, but there is no such file. Name the plugin's shared library, or run: ${installCommand}`,
  );
}

/**
 * The plugin to use: of `path` if given, else of REWARD_FORCING_PJRT, of the virtual environment that the install
 * command makes, of the active environment, of python3. Throws with what was looked for and the command that installs one.
 */
export function findPlugin(path?: string): Plugin {
  if (process.platform !== 'linux') {
    throw new Error(`engine xla: there are no PJRT plugins in wheels for ${process.platform}. Use engine.use('onnx')`);
  }
  if (path !== undefined) return demanded(path, 'the option plugin');
  const fromVariable = process.env[pluginVariable];
  if (fromVariable) return demanded(fromVariable, pluginVariable);
  const own = pluginOfEnvironment(join(process.cwd(), environmentFolder), environmentFolder);
  const found = own ?? pluginOfActive() ?? pluginOfPython();
  if (found) return found;
  throw new Error(
    `engine xla: no PJRT plugin: neither in ${pluginVariable} (not set), nor in ${environmentFolder}, nor in an active ` +
      `Python environment, nor in the packages of python3. Run: ${installCommand}`,
  );
}
