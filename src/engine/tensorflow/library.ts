/** What the tensorflow engine needs, found and not loaded: libtensorflow, and the JavaScript of tfjs-node. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The command that installs libtensorflow beside the project. */
export const installCommand = 'reward-forcing engine install tensorflow [--gpu]';

/** Folder of the virtual environment that the command makes, in the working folder. */
export const environmentFolder = '.venv-tensorflow';

/** A libtensorflow on disk. */
export interface TensorflowLibrary {
  readonly folder: string;
  /** The C interface: libtensorflow_cc of a pip wheel, or libtensorflow of a C release. */
  readonly api: string;
  readonly framework: string;
  /** How it was found. */
  readonly source: string;
}

interface Names {
  readonly apis: readonly string[];
  readonly framework: string;
}

const names: Partial<Record<NodeJS.Platform, Names>> = {
  linux: { apis: ['libtensorflow_cc.so.2', 'libtensorflow.so.2'], framework: 'libtensorflow_framework.so.2' },
  darwin: {
    apis: ['libtensorflow_cc.2.dylib', 'libtensorflow.2.dylib'],
    framework: 'libtensorflow_framework.2.dylib',
  },
};

/** The library in a folder, or null. */
function libraryIn(folder: string, source: string): TensorflowLibrary | null {
  const wanted = names[process.platform];
  const api = wanted?.apis.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (!wanted || !api) return null;
  const framework = join(folder, wanted.framework);
  return existsSync(framework) ? { folder, api, framework, source } : null;
}

/** The folder of the tensorflow package that a Python sees, without importing it. */
function folderFromPython(python: string): string | null {
  const script =
    "import importlib.util as u; s = u.find_spec('tensorflow'); print(list(s.submodule_search_locations)[0])";
  const { status, stdout } = spawnSync(python, ['-c', script], { encoding: 'utf8', timeout: 20_000 });
  return status === 0 ? stdout.trim() : null;
}

/** The library of the tensorflow package that a Python sees, or null. */
export function libraryOfPython(python: string): TensorflowLibrary | null {
  const folder = folderFromPython(python);
  return folder === null ? null : libraryIn(folder, `the tensorflow package of ${python}`);
}

function fromEnvironmentFolder(): TensorflowLibrary | null {
  const python = join(process.cwd(), environmentFolder, 'bin', 'python');
  return existsSync(python) ? libraryOfPython(python) : null;
}

/** A folder that was asked for: it must hold the library. */
function demanded(folder: string, asked: string): TensorflowLibrary {
  const found = libraryIn(folder, asked);
  if (found) return found;
  const { apis, framework } = names[process.platform]!;
  throw new Error(
    `engine tensorflow: ${asked} is ${folder}, but ${framework} and ${apis.join(' or ')} are not there. Name the ` +
      `folder that holds them (site-packages/tensorflow of a pip wheel), or run: ${installCommand}`,
  );
}

/**
 * The libtensorflow to use: of `folder` if given, else of TF_LIB_DIR, of the virtual environment that the install
 * command makes, of the active Python. Throws with what was looked for and the command that installs it.
 */
export function findLibrary(folder?: string): TensorflowLibrary {
  if (!names[process.platform]) {
    throw new Error(
      `engine tensorflow: the pip wheels for ${process.platform} have no C library; it runs on linux and darwin. ` +
        "Use engine.use('onnx')",
    );
  }
  if (folder !== undefined) return demanded(folder, 'the option library');
  const fromVariable = process.env['TF_LIB_DIR'];
  if (fromVariable) return demanded(fromVariable, 'TF_LIB_DIR');
  const found = fromEnvironmentFolder() ?? libraryOfPython('python3');
  if (found) return found;
  throw new Error(
    `engine tensorflow: no libtensorflow: neither in TF_LIB_DIR (not set), nor in ${environmentFolder}, nor in the ` +
      `tensorflow package of python3. Run: ${installCommand}`,
  );
}

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;

/** A package of tfjs-node that is installed. */
export interface Published {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
}

/** The installed package. Throws with the command that installs it. */
export function findPublished(): Published {
  const require = createRequire(import.meta.url);
  for (const name of packages) {
    try {
      const file = require.resolve(`${name}/package.json`);
      const { version } = require(file) as { version: string };
      return { name, version, folder: dirname(file) };
    } catch {
      // the other package may be there
    }
  }
  throw new Error(`engine tensorflow: the package ${packages[0]} is missing. Run: npm install ${packages[0]}@4.22`);
}

/** The addon that the package's install script fetches or builds, or null. */
export function addonOf({ folder }: Published): string | null {
  const lib = join(folder, 'lib');
  if (!existsSync(lib)) return null;
  const files = readdirSync(lib).map((version) => join(lib, version, 'tfjs_binding.node'));
  return files.find((file) => existsSync(file)) ?? null;
}

/** Throws with what is missing and the command that installs it. */
export function findTensorflow(): void {
  if (addonOf(findPublished()) === null) findLibrary();
}
