/**
 * The compiler that tslab's converter gets: the newest TypeScript with source maps, this package resolved from any
 * folder, and programs of our own. It is put in the place of tslab's fork before the converter loads that; the
 * converter stays unmodified.
 */

import { Module } from 'node:module';
import { join } from 'node:path';
import MagicString from 'magic-string';
import type { CompilerOptions, Diagnostic, Node, Program, SourceFile, System } from 'typescript';
import type { LocalFile } from '../bridge.ts';
import { IMPORT } from './emit.ts';
import { Programs, type ProgramsHost } from './programs.ts';
import { blank } from './rewrite.ts';
import { LIBRARY, Sources } from './sources.ts';
import { asFork, loadTypeScript, type TypeScript } from './typescript.ts';

/** Where imports that the notebook's own folder cannot resolve are looked up. */
export interface PackageLocation {
  name: string;
  root: string;
  /** The package's declaration file. */
  types: string;
}

/** What passes between the compiler and its user beside the converter. */
export interface CompilerWork {
  /** Source map of the cell converted last; none where nothing was written. */
  map: string | null;
  /** Set where the cell asks not to be checked. */
  isUnchecked: boolean;
  readonly programs: Programs;
  readonly sources: Sources;
}

/** What tslab's converter loads as its compiler. */
const FORK = '@tslab/typescript-for-tslab';
const AWAIT_IN_PLAIN_FUNCTION = 1308;
const INLINE_MAP = /\/\/# sourceMappingURL=data:application\/json;base64,([A-Za-z0-9+/=]+)\s*$/;
/** What CommonJS begins with. Nobody asks it of a cell, and it fails where a cell has changed what descriptors inherit. */
const MODULE_MARK = /^(?:"use strict";|Object\.defineProperty\(exports, "__esModule", \{ value: true \}\);)/gm;

/** Wraps the compiler that `require` finds; what it shares with its user is there once the converter is made. */
export function wrapCompiler(
  require: NodeJS.Require,
  location: PackageLocation,
): { ts: TypeScript; work: CompilerWork } {
  const id = require.resolve(FORK);
  const work = { map: null, isUnchecked: false } as {
    -readonly [Key in keyof CompilerWork]: CompilerWork[Key];
  };
  const ts = loadTypeScript();
  const wrapped = asFork(ts);
  wrapped['createWatchCompilerHost'] = (files: string[], options: CompilerOptions, system: System): ProgramsHost => ({
    files: files as [string, string],
    options: { ...options, ...optionsOf(location) },
    system,
  });
  wrapped['createWatchProgram'] = (host: ProgramsHost): Programs => {
    work.sources = new Sources(ts, host.options);
    work.programs = new Programs(ts, host, work.sources);
    return work.programs;
  };
  wrapped['transpileModule'] = withoutMap(work);
  wrapped['getPreEmitDiagnosticsOfFiles'] = (program: Program, files: readonly SourceFile[]) =>
    files.flatMap((file) => diagnosticsOf(program, file, work));
  require.cache[id] = Object.assign(new Module(id), { exports: wrapped, filename: id, loaded: true });
  return { ts, work };
}

/**
 * Errors of a file. Those of declarations that cannot be written come with the emit: asking for them before would
 * write all declarations twice.
 */
function diagnosticsOf(program: Program, file: SourceFile, work: CompilerWork): readonly Diagnostic[] {
  const syntax = program.getSyntacticDiagnostics(file);
  if (syntax.length > 0) return syntax;
  if (work.isUnchecked) return [];
  return program.getSemanticDiagnostics(file).map((found) => {
    // Where it finds the keyword, the converter takes this for its own compiler's word on an await outside functions.
    return found.code === AWAIT_IN_PLAIN_FUNCTION ? { ...found, length: 0 } : found;
  });
}

/** The converter has what it emitted transpiled, which is CommonJS here already: only its map is taken off. */
function withoutMap(work: CompilerWork) {
  return (code: string = ''): { outputText: string } => {
    const [comment = '', map] = INLINE_MAP.exec(code) ?? [];
    work.map = map === undefined ? null : Buffer.from(map, 'base64').toString();
    return { outputText: code.slice(0, code.length - comment.length).replace(MODULE_MARK, blank) };
  };
}

/** The code with `import(…)` written as a call of our own function, which knows local files. */
export function withOwnImports(ts: TypeScript, code: string, name: string): string {
  if (!/\bimport\s*\(/.test(code)) return code;
  const source = ts.createSourceFile(name, code, ts.ScriptTarget.ESNext, true);
  const edited = new MagicString(code);
  const visit = (node: Node): void => {
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      edited.update(node.expression.getStart(source), node.expression.getEnd(), IMPORT);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return edited.toString();
}

/** Local files as the user thread runs them: with our own dynamic imports. */
export function runnable(ts: TypeScript, files: readonly LocalFile[]): LocalFile[] {
  return files.map(({ path, text }) => ({
    path,
    text: path.endsWith('.json') ? text : withOwnImports(ts, text, path),
  }));
}

/** Beside what the converter sets. Local JavaScript gives types, but its author has not asked to have it checked. */
function optionsOf({ name, root, types }: PackageLocation): CompilerOptions {
  const packages = join(root, 'node_modules');
  return {
    inlineSourceMap: true,
    lib: [LIBRARY],
    // What has become the default or is to go since the converter was written.
    strict: false,
    ignoreDeprecations: '6.0',
    checkJs: false,
    allowImportingTsExtensions: true,
    baseUrl: process.cwd(),
    paths: { [name]: [types], '*': ['*', join(packages, '*'), join(packages, '@types', '*')] },
  };
}

/** How the type is declared that the cell of the newest program aliases last, as its file says; null for all else. */
export function aliasedDeclaration(ts: TypeScript, program: Program | undefined, cellFile: string): string | null {
  const alias = program?.getSourceFile(cellFile)?.statements.at(-1);
  if (!program || !alias || !ts.isTypeAliasDeclaration(alias) || !ts.isTypeReferenceNode(alias.type)) return null;
  const checker = program.getTypeChecker();
  const named = checker.getSymbolAtLocation(alias.type.typeName);
  const symbol = named && named.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(named) : named;
  return symbol?.declarations?.map((declaration) => declaration.getText()).join('\n\n') ?? null;
}
