/** Sets up libtensorflow by pip in a virtual environment of the project: nothing outside that folder is touched. */
import { pipCommands, pythonOf, runCommands } from '../pip.ts';
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
  return pipCommands(folder, python, ['--upgrade', wheel]);
}

/** Installs TensorFlow's wheel into the folder and returns the library in it. Throws with the command that failed. */
export async function installTensorflow(options: InstallOptions = {}): Promise<TensorflowLibrary> {
  await runCommands(installCommands(options), options.onCommand);
  const python = pythonOf(options.folder ?? environmentFolder);
  const library = libraryOfPython(python);
  if (library) return library;
  throw new Error(
    `engine tensorflow: the wheel in ${python} has no C library; report its version: ${python} -m pip list`,
  );
}
