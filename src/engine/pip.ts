/** Python wheels in a virtual environment of the project: nothing outside that folder is touched. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** The Python of a virtual environment. */
export function pythonOf(folder: string): string {
  return join(folder, 'bin', 'python');
}

/** Commands that make the environment in `folder`, by `python`, and install wheels into it. */
export function pipCommands(folder: string, python: string, wheels: readonly string[]): readonly (readonly string[])[] {
  return [
    [python, '-m', 'venv', folder],
    [pythonOf(folder), '-m', 'pip', 'install', ...wheels],
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

/** Runs commands one after the other; `onCommand` hears of each before it runs. Throws with the command that failed. */
export async function runCommands(
  commands: readonly (readonly string[])[],
  onCommand?: (command: string) => void,
): Promise<void> {
  for (const command of commands) {
    onCommand?.(command.join(' '));
    await run(command);
  }
}
