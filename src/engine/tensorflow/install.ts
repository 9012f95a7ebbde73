/** Sets up libtensorflow by pip in a virtual environment of the project: nothing outside that folder is touched. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { environmentFolder, libraryOfPython, type TensorflowLibrary } from './library.ts';

export interface InstallOptions {
  /** The wheel for NVIDIA GPUs, with its CUDA libraries (several GB), instead of the one for processors. */
  gpu?: boolean;
  /** Where the virtual environment goes. @defaultValue `.venv-tensorflow` in the working folder, where `use` looks */
  folder?: string;
  /** The Python that makes the environment. @defaultValue 'python3' */
  python?: string;
  /** Hears each command before it runs. */
  onCommand?: (command: string) => void;
}

export function installCommands({
  gpu = false,
  folder = environmentFolder,
  python = 'python3',
}: InstallOptions): readonly (readonly string[])[] {
  const wheel = gpu ? 'tensorflow[and-cuda]' : process.platform === 'linux' ? 'tensorflow-cpu' : 'tensorflow';
  return [
    [python, '-m', 'venv', folder],
    [join(folder, 'bin', 'python'), '-m', 'pip', 'install', '--upgrade', wheel],
  ];
}

function run(command: readonly string[]): Promise<void> {
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', (cause) =>
      reject(new Error(`cannot run ${program}: ${cause.message}. Install Python 3.10 or newer`, { cause })),
    );
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`'${command.join(' ')}' ended with exit code ${code}`)),
    );
  });
}

/** Installs TensorFlow's wheel into the folder and returns the library in it. Throws with the command that failed. */
export async function installTensorflow(options: InstallOptions = {}): Promise<TensorflowLibrary> {
  for (const command of installCommands(options)) {
    options.onCommand?.(command.join(' '));
    await run(command);
  }
  const python = join(options.folder ?? environmentFolder, 'bin', 'python');
  const library = libraryOfPython(python);
  if (library) return library;
  throw new Error(
    `engine tensorflow: the wheel in ${python} has no C library; report its version: ${python} -m pip list`,
  );
}
