/**
 * How the compiler reads the declaration files of packages: without their docstrings until someone asks for one. Parsing
 * the docstrings of Node's and the language's own declarations is a fifth of the work of starting. These files do not
 * change while a notebook runs, so they are not watched either.
 */
import type { TypeScript } from './syntax.ts';

type System = import('@tslab/typescript-for-tslab').System;
type FileWatcherCallback = import('@tslab/typescript-for-tslab').FileWatcherCallback;

/** The language's own declarations lie in a package too. The compiler writes all paths with slashes. */
const DECLARATIONS = /\/node_modules\/.*\.d\.[cm]?ts$/;
/** Becomes an ordinary comment of the same length: every position stays what it was. */
const DOCSTRING = /^([ \t]*)\/\*\*(?!\/)/gm;

/** A file system for the compiler, and the switch that gives packages their docstrings. */
export interface PackageFiles {
  system: System;
  /** Has the files that know `name` read again, docstrings included: the next program has them. */
  readDocstrings(name: string): void;
}

export function readPackagesLightly(typescript: TypeScript, system: System): PackageFiles {
  const unread = new Map<string, FileWatcherCallback>();
  const read = new Set<string>();
  const light: System = Object.create(system, {
    readFile: {
      value: (path: string, encoding?: string): string | undefined => {
        const text = system.readFile(path, encoding);
        return read.has(path) || !DECLARATIONS.test(path) ? text : text?.replace(DOCSTRING, '$1/* ');
      },
    },
    watchFile: {
      value: (path: string, callback: FileWatcherCallback, ...rest: never[]) => {
        if (!DECLARATIONS.test(path)) return system.watchFile?.(path, callback, ...rest);
        if (!read.has(path)) unread.set(path, callback);
        return { close: () => unread.delete(path) };
      },
    },
  });
  const readDocstrings = (name: string): void => {
    const word = new RegExp(`\\b${name.replaceAll('$', '\\$')}\\b`);
    for (const [path, changed] of unread) {
      if (!word.test(system.readFile(path) ?? '')) continue;
      unread.delete(path);
      read.add(path);
      changed(path, typescript.FileWatcherEventKind.Changed);
    }
  };
  return { system: light, readDocstrings };
}
