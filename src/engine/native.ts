/** What all engines that call C libraries share: koffi's settings, which can be made once in a process. */
import koffi, { type LibraryHandle } from 'koffi';

/** Libraries already open. koffi unloads a library whose handle is collected, so the handles must live on. */
const libraries: LibraryHandle[] = [];
let configured = false;

/** Gives native calls the stack that big libraries need. */
export function configureNative(): void {
  if (configured) return;
  configured = true;
  koffi.config({ sync_stack_size: 16 << 20, sync_heap_size: 2 << 20 });
}

/** Opens a library for the rest of the process. Throws with `fix` when it cannot be loaded. */
export function openLibrary(engine: string, path: string, fix: string): LibraryHandle {
  configureNative();
  try {
    const library = koffi.load(path, { global: engine === 'tensorflow' });
    libraries.push(library);
    return library;
  } catch (cause) {
    throw new Error(`engine ${engine}: cannot load ${path}: ${(cause as Error).message}. ${fix}`, { cause });
  }
}

/**
 * Sets a variable of the environment that C code reads, unless the user has set it. In a worker thread Node's
 * `process.env` is a copy, so the C library sets it, too; Windows has no `setenv`, and there `process.env` must do.
 */
export function presetVariable(c: LibraryHandle, name: string, value: string): void {
  if (process.env[name] !== undefined) return;
  process.env[name] = value;
  if (process.platform !== 'win32') c.func('setenv', 'int', ['str', 'str', 'int'])(name, value, 0);
}
