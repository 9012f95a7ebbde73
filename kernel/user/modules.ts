/** Lets cells in any folder import this package and what it depends on. */
import Module from 'node:module';

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
