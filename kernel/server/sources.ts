/**
 * The files behind a cell as the compiler reads them. Those of packages are read once, without their docstrings until
 * someone asks for one: they do not change while a notebook runs, and docstrings are a fifth of the work of starting.
 * Local files are read anew, by content, whenever a cell imports them; a cell that does not keeps the version that
 * runs, so that types and values are always of one version.
 */

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type {
  CompilerOptions,
  CreateSourceFileOptions,
  ModuleResolutionCache,
  ResolvedModuleWithFailedLookupLocations as Resolved,
  SourceFile,
} from 'typescript';
import type { LocalFile } from '../bridge.ts';
import { bindNames } from './syntax.ts';
import type { TypeScript } from './typescript.ts';

const DECLARATIONS = /\.d\.[cm]?ts$/;
/** A docstring on lines of its own, as declarations have them. */
const DOCSTRING = /^[ \t]*\/\*\*(?!\/)[\s\S]*?\*\//gm;
/** The language's own declarations under one name: one file costs each cell less than the eighty of which it is made. */
export const LIBRARY = 'lib.cells.d.ts';
const LIBRARIES = ['es2023', 'esnext.disposable'];
const REFERENCE = /^\/\/\/\s*<reference lib="([^"]+)"\s*\/>/gm;
const IMPORTS = /\b(?:import|require|from)\b/;

/** Whether an import names a file, and no package. */
export function isLocal(specifier: string): boolean {
  return /^\.{0,2}\/|^\.\.?$|^[A-Za-z]:[\\/]/.test(specifier);
}

export class Sources {
  readonly #ts: TypeScript;
  readonly #options: CompilerOptions;
  readonly #parsed = new Map<string, SourceFile>();
  /** Local files by path: the text that the newest cell with an import of them has seen. */
  readonly #local = new Map<string, string>();
  /** What each local file's imports led to. */
  readonly #targets = new Map<string, string>();
  #moved = new Set<string>();
  readonly #documented = new Set<string>();
  /** Packages that were found; those that were not may be installed at any time. */
  readonly #packages = new Map<string, Resolved>();
  /** What is known of the `package.json` around files, which every program asks of each. */
  readonly packages: ModuleResolutionCache;

  constructor(ts: TypeScript, options: CompilerOptions) {
    this.#ts = ts;
    this.#options = options;
    this.packages = ts.createModuleResolutionCache(ts.sys.getCurrentDirectory(), (name) => name, options);
  }

  /** The parsed and bound file; undefined where there is none. */
  get(path: string, version: number | CreateSourceFileOptions): SourceFile | undefined {
    const known = this.#parsed.get(path);
    if (known) return known;
    const text = this.#text(path);
    if (text === undefined) return undefined;
    const file = this.#ts.createSourceFile(path, text, version as CreateSourceFileOptions);
    bindNames(this.#ts, file, this.#options);
    this.#parsed.set(path, file);
    return file;
  }

  /** Reads the local files that the code in `folder` imports, directly or not, and returns those that run. */
  refresh(code: string, folder: string): LocalFile[] {
    const found = new Map<string, string>();
    if (IMPORTS.test(code)) this.#visit(code, `${folder}/cell.ts`, found);
    for (const [path, text] of found) {
      if (this.#local.get(path) === text) continue;
      this.#local.set(path, text);
      this.#parsed.delete(path);
    }
    return [...found].filter(([path]) => !DECLARATIONS.test(path)).map(([path, text]) => ({ path, text }));
  }

  /** Where an import leads to. */
  resolve(specifier: string, from: string): Resolved {
    const place = `${dirname(from)}\0${specifier}`;
    const known = this.#packages.get(place);
    if (known) return known;
    const found = this.#ts.resolveModuleName(specifier, from, this.#options, this.#ts.sys);
    if (!isLocal(specifier) && found.resolvedModule) this.#packages.set(place, found);
    return found;
  }

  /** Unchanged files whose imports lead elsewhere than in the program before; told once. */
  takeMoved(): ReadonlySet<string> {
    const moved = this.#moved;
    this.#moved = new Set();
    return moved;
  }

  /** Has the packages' files that know `name` read again, docstrings included: the next program has them. */
  readDocstrings(name: string): void {
    const word = new RegExp(`\\b${name.replaceAll('$', '\\$')}\\b`);
    for (const [path, file] of this.#parsed) {
      if (this.#local.has(path) || this.#documented.has(path) || !word.test(file.text)) continue;
      this.#documented.add(path);
      this.#parsed.delete(path);
    }
  }

  #text(path: string): string | undefined {
    const local = this.#local.get(path);
    if (local !== undefined) return local;
    const text = path.endsWith(`/${LIBRARY}`) ? library(this.#ts, dirname(path)) : this.#ts.sys.readFile(path);
    return this.#documented.has(path) || !DECLARATIONS.test(path) ? text : text?.replace(DOCSTRING, '');
  }

  #visit(code: string, from: string, found: Map<string, string>): void {
    const targets: string[] = [];
    const { importedFiles, referencedFiles } = this.#ts.preProcessFile(code, true, true);
    for (const { fileName } of [...importedFiles, ...referencedFiles]) {
      const resolved = isLocal(fileName) ? this.resolve(fileName, from).resolvedModule : undefined;
      targets.push(resolved?.resolvedFileName ?? '');
      if (!resolved || found.has(resolved.resolvedFileName)) continue;
      const text = readFileSync(resolved.resolvedFileName, 'utf8');
      found.set(resolved.resolvedFileName, text);
      this.#visit(text, resolved.resolvedFileName, found);
    }
    const lead = targets.join('\0');
    if (this.#targets.has(from) && this.#targets.get(from) !== lead) this.#moved.add(from);
    this.#targets.set(from, lead);
  }
}

/** The text of the language's declaration files, each once, behind those that it refers to. */
function library(ts: TypeScript, folder: string): string {
  const texts = new Map<string, string>();
  const add = (name: string): void => {
    if (texts.has(name)) return;
    texts.set(name, '');
    const text = ts.sys.readFile(`${folder}/lib.${name}.d.ts`) ?? '';
    for (const [, referred = ''] of text.matchAll(REFERENCE)) add(referred);
    texts.delete(name);
    texts.set(name, text);
  };
  LIBRARIES.forEach(add);
  return [...texts.values()].join('\n');
}
