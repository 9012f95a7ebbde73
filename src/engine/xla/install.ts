/** Sets up a PJRT plugin by pip in a virtual environment of the project: nothing outside that folder is touched. */
import { pipCommands, runCommands } from '../pip.ts';
import { environmentFolder, type Plugin, pluginOfEnvironment } from './library.ts';

/** What a plugin computes on. */
export type XlaTarget = 'cpu' | 'cuda12' | 'cuda13';

export const xlaTargets: readonly XlaTarget[] = ['cpu', 'cuda12', 'cuda13'];

export interface InstallOptions {
  target: XlaTarget;
  /** Where the virtual environment goes. @defaultValue `.venv-xla` in the working folder, where `use` looks */
  folder?: string;
  /** The Python that makes the environment. @defaultValue 'python3' */
  python?: string;
  /** Hears each command before it runs. */
  onCommand?: (command: string) => void;
}

/**
 * Pinned wheels. The plugins for CUDA are those that JAX ships, with NVIDIA's libraries (several GB); the one for
 * processors comes from a small project and is for tests: of its dependencies only the library itself is needed.
 */
const wheels: Readonly<Record<XlaTarget, readonly string[]>> = {
  cpu: ['--no-deps', 'lammps-jax-pjrt-cpu==0.11.2'],
  cuda12: ['jax-cuda12-plugin[with-cuda]==0.10.2'],
  cuda13: ['jax-cuda13-plugin[with-cuda]==0.10.2'],
};

export function installCommands({
  target,
  folder = environmentFolder,
  python = 'python3',
}: InstallOptions): readonly (readonly string[])[] {
  return pipCommands(folder, python, wheels[target]);
}

/** Installs a plugin into the folder and returns it. Throws with the command that failed. */
export async function installXla(options: InstallOptions): Promise<Plugin> {
  const { folder = environmentFolder, onCommand } = options;
  await runCommands(installCommands(options), onCommand);
  const plugin = pluginOfEnvironment(folder, folder);
  if (plugin) return plugin;
  throw new Error(`engine xla: the wheels in ${folder} have no plugin that is known here; report what pip installed`);
}
