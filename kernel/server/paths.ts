/** Completion of the names of modules, between the quotes of an import or a require. */
import { existsSync, readdirSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import { isLocal } from './sources.ts';

const OPEN_QUOTE = /(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\()\s*(['"])([^'"\n]*)$/;
const CODE = /(?:\.d)?\.[cm]?tsx?$|\.jsx?$/;
const RUNS = /\.(?:[cm]?[jt]sx?|json)$/;
/** Endings that an import has to name. */
const NAMED = /\.(?:[cm][jt]s|json)$/;

export interface PathCompletion {
  start: number;
  matches: string[];
}

/** Names for the module at the cursor; null where the cursor stands in no module's name. */
export function completePath(code: string, position: number, folders: readonly string[]): PathCompletion | null {
  const line = code.slice(code.lastIndexOf('\n', position - 1) + 1, position);
  const typed = OPEN_QUOTE.exec(line)?.[2];
  if (typed === undefined) return null;
  const names = isLocal(typed) ? filesAt(typed, folders[0] ?? '.') : [...packagesIn(folders), ...nodeModules(typed)];
  const matches = [...new Set(names)].filter((name) => name.startsWith(typed)).sort();
  return { start: position - typed.length, matches };
}

/** Files and folders that begin as typed; what an import leaves out is left out. */
function filesAt(typed: string, folder: string): string[] {
  const base = typed.slice(0, typed.lastIndexOf('/') + 1);
  if (base === '') return ['./', '../'];
  const entries = list(join(folder, base)).filter(({ name }) => !name.startsWith('.') && name !== 'node_modules');
  const files = entries.filter((entry) => !entry.isDirectory() && RUNS.test(entry.name));
  const named = files.map(({ name }) => base + (NAMED.test(name) ? name : name.replace(CODE, '')));
  return [...named, ...entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${base}${name}/`)];
}

/** Packages that are installed for the notebook's folder. */
function packagesIn(folders: readonly string[]): string[] {
  return folders.flatMap(upwards).flatMap((folder) => {
    const names = list(join(folder, 'node_modules')).map(({ name }) => name);
    const scoped = names.filter((name) => name.startsWith('@') && name !== '@types');
    const plain = names.filter((name) => /^[a-z0-9]/i.test(name));
    return [
      ...plain,
      ...scoped.flatMap((scope) => list(join(folder, 'node_modules', scope)).map(({ name }) => `${scope}/${name}`)),
    ];
  });
}

function nodeModules(typed: string): string[] {
  const own = builtinModules.filter((name) => !name.startsWith('_'));
  return typed.startsWith('node:') ? own.map((name) => `node:${name}`) : [...own, 'node:'];
}

function upwards(folder: string): string[] {
  const up = dirname(folder);
  return up === folder ? [folder] : [folder, ...upwards(up)];
}

function list(folder: string): import('node:fs').Dirent[] {
  return existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [];
}
