/**
 * The compiler that tslab's converter gets: TypeScript with source maps, this package resolved from any folder, and a
 * lean program. It is put in the place of the module before the converter loads it; the converter stays unmodified.
 */
import { join } from 'node:path';
import { toCommonJs } from './common-js.ts';
import { readPackagesLightly } from './package-files.ts';
import { bindNames, type TypeScript } from './syntax.ts';
import { withTimers } from './timers.ts';

type Program = import('@tslab/typescript-for-tslab').Program;
type SourceFile = import('@tslab/typescript-for-tslab').SourceFile;
type CompilerOptions = import('@tslab/typescript-for-tslab').CompilerOptions;
type CompilerHost = import('@tslab/typescript-for-tslab').CompilerHost;
type System = import('@tslab/typescript-for-tslab').System;
type BuilderProgram = import('@tslab/typescript-for-tslab').BuilderProgram;

/** Where imports that the notebook's own folder cannot resolve are looked up. */
export interface PackageLocation {
  name: string;
  root: string;
  /** The package's declaration file. */
  types: string;
}

/** What passes between the compiler and its user beside the converter. */
export interface CompilerWork {
  /** Source maps of the cell converted last: from CommonJS to module, from module to the cell. */
  maps: string[];
  /** Set before a cell with declarations is converted: its first update is only asked for names. */
  namesOnly: boolean;
  /** How the type is declared that the cell of the newest program aliases last, as its file says. */
  aliasedDeclaration(): string | null;
  /** Gives the packages that know `name` their docstrings, from the next question on. */
  readDocstrings(name: string): void;
}

/** The converter's name for a cell. */
const CELL_FILE = '__tslab__.ts';

/** Imports of a file as the program resolved them. TypeScript does not declare this member. */
interface Resolved {
  resolvedModules?: { forEach(visit: (found: { resolvedModule?: { resolvedFileName: string } }) => void): void };
}

/** Wraps the compiler that `require` finds and returns what it shares with its user. */
export function wrapCompiler(require: NodeJS.Require, location: PackageLocation): CompilerWork {
  const work: CompilerWork = { maps: [], namesOnly: false, aliasedDeclaration: () => null, readDocstrings: () => {} };
  const id = require.resolve('@tslab/typescript-for-tslab');
  const original = require(id) as TypeScript;
  const wrapped: Record<string, unknown> = { ...original };
  wrapped['createWatchCompilerHost'] = (
    files: unknown,
    options: object,
    system: System,
    ...rest: unknown[]
  ): unknown => {
    const packages = readPackagesLightly(original, withTimers(system));
    work.readDocstrings = packages.readDocstrings;
    return (original.createWatchCompilerHost as unknown as (...args: unknown[]) => unknown)(
      files,
      { ...options, inlineSourceMap: true, ...pathOptions(location) },
      packages.system,
      createLeanProgram(original, work),
      ...rest.slice(1),
    );
  };
  wrapped['transpileModule'] = captureMaps(original, work);
  const cached = require.cache[id];
  if (cached) cached.exports = wrapped;
  return work;
}

/** tslab emits in two stages (TypeScript to modules, modules to CommonJS) and keeps no source maps: this keeps both. */
function captureMaps(typescript: TypeScript, work: CompilerWork) {
  return (code: string, { compilerOptions }: { compilerOptions?: CompilerOptions }): unknown => {
    const inline = /\/\/# sourceMappingURL=data:application\/json;base64,([A-Za-z0-9+/=]+)\s*$/.exec(code ?? '');
    const output = toCommonJs(typescript, code, compilerOptions);
    output.outputText = output.outputText.replace(/\/\/# sourceMappingURL=.*\s*$/, '');
    const cellMap = inline?.[1] ? Buffer.from(inline[1], 'base64').toString() : null;
    work.maps = cellMap && output.sourceMapText ? [output.sourceMapText, cellMap] : [];
    return output;
  };
}

function pathOptions({ name, root, types }: PackageLocation): object {
  const packages = join(root, 'node_modules');
  return {
    baseUrl: process.cwd(),
    paths: { [name]: [types], '*': ['*', join(packages, '*'), join(packages, '@types', '*')] },
  };
}

/**
 * Programs without a builder's state. The default builder resolves every import of every file, for each version of
 * the cell, to know which files a change touches; a notebook only ever asks what its own cell imports.
 */
function createLeanProgram(typescript: TypeScript, work: CompilerWork) {
  const create = typescript.createAbstractBuilder as (...all: unknown[]) => BuilderProgram;
  const before = new WeakMap<BuilderProgram, BuilderProgram>();
  return (files: unknown, options: CompilerOptions, host: CompilerHost, old?: BuilderProgram, ...rest: unknown[]) => {
    const bound = (file: SourceFile | undefined): SourceFile | undefined => {
      if (file) bindNames(typescript, file, options);
      return file;
    };
    if (work.namesOnly && old) {
      work.namesOnly = false;
      const names = namesOf(old, (name) =>
        bound(host.getSourceFile(name, options.target ?? typescript.ScriptTarget.ES2022)),
      );
      before.set(names, old);
      return names;
    }
    const builder = create(files, options, host, old && (before.get(old) ?? old), ...rest);
    const { getSourceFile } = builder;
    work.aliasedDeclaration = () => aliasedDeclaration(typescript, builder.getProgram());
    return Object.assign(builder, {
      getAllDependencies: (file: SourceFile) => [...sourcesBehind(builder.getProgram(), file)],
      // The converter reads a file's names before anything has asked for a type: binding finds them.
      getSourceFile: (name: string) => bound(getSourceFile(name)),
    });
  };
}

/**
 * The program before, but with the cell's new text when it is first asked for: the converter updates the cell once to
 * read its names and again with their exports, and the first of the two needs no program.
 */
function namesOf(old: BuilderProgram, parse: (name: string) => SourceFile | undefined): BuilderProgram {
  let isRead = false;
  return {
    ...old,
    // Never up to date: the second update makes a program even where a cell is run again as it was.
    ...{ getProgramOrUndefined: () => ({ ...old.getProgram(), getRootFileNames: () => [] }) },
    getSourceFile: (name) => {
      if (isRead || !name.endsWith(CELL_FILE)) return old.getSourceFile(name);
      isRead = true;
      return parse(name);
    },
  };
}

/** The file and all source files that it imports, directly or not; declaration files are left out. */
function sourcesBehind(program: Program, file: SourceFile, found: Set<string> = new Set()): Set<string> {
  found.add(file.fileName);
  (file as unknown as Resolved).resolvedModules?.forEach(({ resolvedModule }) => {
    const imported = resolvedModule && program.getSourceFile(resolvedModule.resolvedFileName);
    if (imported && !imported.isDeclarationFile && !found.has(imported.fileName))
      sourcesBehind(program, imported, found);
  });
  return found;
}

function aliasedDeclaration(ts: TypeScript, program: Program): string | null {
  const cell = program.getSourceFiles().find(({ fileName }) => fileName.endsWith(CELL_FILE));
  const alias = cell?.statements.at(-1);
  if (!alias || !ts.isTypeAliasDeclaration(alias) || !ts.isTypeReferenceNode(alias.type)) return null;
  const checker = program.getTypeChecker();
  const named = checker.getSymbolAtLocation(alias.type.typeName);
  const symbol = named && named.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(named) : named;
  return symbol?.declarations?.map((declaration) => declaration.getText()).join('\n\n') ?? null;
}
