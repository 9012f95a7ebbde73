/** Lets cells in any folder import this package and what it depends on. */
import Module from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

type ResolveFilename = (request: string, parent: unknown, isMain: boolean, options?: object) => string;

/**
 * Bare specifiers are looked up from the notebook's folder first, as Node does, then from this package; the package's
 * own name resolves to itself. Module hooks that could do this without the underscore need Node 22.
 */
export function installModuleFallback(packageName: string, packageEntry: string): void {
  const internals = Module as unknown as { _resolveFilename: ResolveFilename };
  const original = internals._resolveFilename;
  const here = Module.createRequire(packageEntry);
  internals._resolveFilename = function (this: unknown, request, parent, isMain, options) {
    try {
      return original.call(this, request, parent, isMain, options);
    } catch (error) {
      if (request === packageName) return packageEntry;
      const isBare = !/^[./]|^[A-Za-z]:/.test(request);
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND' || !isBare) throw error;
      const paths = here.resolve.paths(request);
      if (!paths) throw error;
      return original.call(this, request, parent, isMain, { paths });
    }
  };
}

/** What cells read as `import.meta` (see server/guard.ts): that of a module in the notebook's folder. */
export function defineImportMeta(): void {
  const dirname = process.cwd();
  const filename = join(dirname, 'notebook.ts');
  const value = { dirname, filename, url: pathToFileURL(filename).href };
  Object.defineProperty(globalThis, '__meta__', { value, configurable: true });
}
