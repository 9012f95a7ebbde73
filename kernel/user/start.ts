/** Makes this thread the one that user code runs in. */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import type { ToServer } from '../bridge.ts';
import { NAMESPACES } from '../built-in-names.ts';
import { bindNotebook } from './bound.ts';
import { type BuiltIns, provideBuiltIns } from './built-ins.ts';
import { installModuleFallback } from './modules.ts';
import { notebookFunctions } from './notebook.ts';
import { UserSession } from './session.ts';

export interface SessionOptions {
  post(message: ToServer): void;
  /** Shared with the server thread. */
  cellState: Int32Array;
  /** This package: its name, and the module that it is imported by. */
  library: { name: string; entry: string };
}

export function startSession({ post, cellState, library }: SessionOptions): UserSession {
  installModuleFallback(library.name, library.entry);
  const provided = provideBuiltIns(builtIns(library.entry));
  const session = new UserSession({ post, builtIns: provided, cellState, ownPackage: dirname(library.entry) });
  bindNotebook(session);
  session.install();
  return session;
}

/** The built-in names' values. The library is loaded when a cell first reads one of its namespaces. */
function builtIns(library: string): BuiltIns {
  const require = createRequire(import.meta.url);
  const namespace = (name: string) => (): unknown => (require(library) as Record<string, unknown>)[name];
  return {
    ...Object.fromEntries(Object.entries(notebookFunctions).map(([name, value]) => [name, () => value])),
    ...Object.fromEntries(NAMESPACES.map((name) => [name, namespace(name)])),
  };
}
