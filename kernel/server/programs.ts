/**
 * The programs behind tslab's converter, in the place of TypeScript's watcher: made when the converter has a new cell,
 * from files that are read when a cell asks for them, and only where more than the cell's own names is asked. A
 * builder's state is left out, which resolves every import of every file to know what a change touches: a notebook
 * only ever asks what its own cell imports.
 */

import { dirname } from 'node:path';
import type { Diagnostic as CellDiagnostic } from 'tslab/dist/converter.js';
import type { CompilerHost, CompilerOptions, Diagnostic, EmitResult, Program, SourceFile, System } from 'typescript';
import { CONVERTER_LINES } from '../source-position.ts';
import { type EmitRest, emitCommonJs } from './emit.ts';
import type { Sources } from './sources.ts';
import { bindNames, type Scope } from './syntax.ts';
import type { TypeScript } from './typescript.ts';

/** What the converter asks of the newest program. */
export interface Builder {
  getProgram(): Program;
  getSourceFile(name: string): SourceFile | undefined;
  getAllDependencies(file: SourceFile): string[];
  emit(file: SourceFile, ...rest: EmitRest): EmitResult | undefined;
}

/** What the converter hands to the compiler. */
export interface ProgramsHost {
  /** The declarations of all cells before, and the cell. */
  files: readonly [before: string, cell: string];
  options: CompilerOptions;
  system: System;
  /** Set by the converter. */
  afterProgramCreate?: (builder: Builder) => void;
}

/** How a program tells what the imports of a file led to. TypeScript does not declare this member. */
interface WithModules {
  forEachResolvedModule(
    visit: (found: { resolvedModule?: { resolvedFileName: string } }) => void,
    file: SourceFile,
  ): void;
}

/** Members of a compiler's host that TypeScript does not declare. */
interface HostInternals {
  hasInvalidatedResolutions(path: string): boolean;
}

export class Programs {
  readonly #ts: TypeScript;
  readonly #host: ProgramsHost;
  readonly #sources: Sources;
  /** Types of Node.js are read when a cell needs them: they are most of what a program holds. */
  #knowsNode = false;
  #newest: Program | undefined;
  #timer: unknown;
  /** Declarations of the cells before, parsed: asked for twice by each cell, and by each key stroke. */
  #before: SourceFile | undefined;
  /** The newest cell, parsed, as long as no program has it. */
  #cell: SourceFile | undefined;
  /** What the newest emit found: a declaration that cannot be written down. */
  #emitted: readonly Diagnostic[] = [];

  constructor(ts: TypeScript, host: ProgramsHost, sources: Sources) {
    this.#ts = ts;
    this.#host = host;
    this.#sources = sources;
    for (const name of host.files) host.system.watchFile?.(name, () => this.#schedule());
    this.#update();
  }

  get newest(): Program | undefined {
    return this.#newest;
  }

  get knowsNode(): boolean {
    return this.#knowsNode;
  }

  /** The converter's name for a cell. */
  get cellFile(): string {
    return this.#host.files[1];
  }

  /** What kept the newest cell's declarations from being written, in the converter's form. */
  emitErrors(): CellDiagnostic[] {
    return this.#emitted.flatMap(({ file, start = 0, length = 0, messageText, category, code }) => {
      if (!file) return [];
      const place = (offset: number): CellDiagnostic['start'] => {
        const { line, character } = file.getLineAndCharacterOfPosition(offset);
        return { offset, line: line - CONVERTER_LINES, character };
      };
      const text = this.#ts.flattenDiagnosticMessageText(messageText, '\n');
      return [{ start: place(start), end: place(start + length), messageText: text, category, code }];
    });
  }

  /** From the next program on, Node's types are there. */
  learnNode(): void {
    this.#knowsNode = true;
  }

  /** Node's types are there while `work` runs; what was read of them stays read. */
  withNode(work: () => void): void {
    const knew = this.#knowsNode;
    this.#knowsNode = true;
    try {
      work();
    } finally {
      this.#knowsNode = knew;
    }
  }

  close(): void {
    this.#newest = undefined;
  }

  /** The converter tells of both files at each cell, and then fires the timer itself. */
  #schedule(): void {
    const { setTimeout, clearTimeout } = this.#host.system;
    this.#timer ??= setTimeout?.(() => {
      try {
        this.#update();
      } catch (error) {
        // The converter would wait for ever for a program whose making failed.
        clearTimeout?.(this.#timer);
        throw error;
      } finally {
        this.#timer = undefined;
      }
    }, 0);
  }

  #update(): void {
    const roots = new Map<string, SourceFile>();
    let program: Program | undefined;
    const getProgram = (): Program => {
      program ??= this.#create(root);
      return program;
    };
    const root = (name: string): SourceFile => {
      const made = roots.get(name) ?? this.#parse(name);
      roots.set(name, made);
      return made;
    };
    this.#emitted = [];
    this.#host.afterProgramCreate?.({
      getProgram,
      getSourceFile: (name) => (this.#isRoot(name) ? root(name) : getProgram().getSourceFile(name)),
      getAllDependencies: (file) => [...sourcesBehind(getProgram(), file)],
      emit: (file, ...rest) => this.#emit(getProgram(), file, rest),
    });
  }

  /** Only the cell: local files run as the user thread loads them. */
  #emit(program: Program, file: SourceFile, rest: EmitRest): EmitResult | undefined {
    if (file.fileName !== this.#host.files[1]) return undefined;
    // The converter takes the declarations apart once it has the code.
    this.#before = undefined;
    const result = emitCommonJs(this.#ts, program, file, rest);
    this.#emitted = result.diagnostics;
    return result;
  }

  #isRoot(name: string): boolean {
    return this.#host.files.includes(name);
  }

  #parse(name: string): SourceFile {
    const { options, system, files } = this.#host;
    const target = options.target ?? this.#ts.ScriptTarget.ES2022;
    const text = system.readFile(name) ?? '';
    if (name === files[0] && this.#before?.text === text) return this.#before;
    const file = (name === files[1] && this.#exporting(text)) || this.#ts.createSourceFile(name, text, target);
    if (name === files[0]) this.#before = file;
    else this.#cell = file;
    // The converter reads a file's names before anything has asked for a type: binding finds them.
    bindNames(this.#ts, file, options);
    // Additions to global types and to modules are no names, which the converter would export.
    const { locals } = file as unknown as Scope;
    for (const augmented of ['__global', ...quoted(locals)]) locals?.delete(augmented);
    return file;
  }

  /** The cell parsed last, with the exports that the converter appends once it knows the names. */
  #exporting(text: string): SourceFile | null {
    const cell = this.#cell;
    if (!cell || text.length === cell.text.length || !text.startsWith(cell.text)) return null;
    const { length } = cell.text;
    return this.#ts.updateSourceFile(cell, text, {
      span: { start: length, length: 0 },
      newLength: text.length - length,
    });
  }

  #create(root: (name: string) => SourceFile): Program {
    const { files } = this.#host;
    const options = { ...this.#host.options, types: this.#knowsNode ? ['node'] : [] };
    const host = this.#compilerHost(root);
    const old = this.#newest;
    this.#newest = this.#ts.createProgram({
      rootNames: files,
      options,
      host,
      ...(old && { oldProgram: old }),
    });
    // From now on a program holds the file, whose parts must not become another's.
    this.#cell = undefined;
    return this.#newest;
  }

  #compilerHost(root: (name: string) => SourceFile): CompilerHost & HostInternals {
    const { sys } = this.#ts;
    const moved = this.#sources.takeMoved();
    const folder = dirname(sys.getExecutingFilePath());
    return {
      getSourceFile: (name, version) => (this.#isRoot(name) ? root(name) : this.#sources.get(name, version)),
      getDefaultLibLocation: () => folder,
      getDefaultLibFileName: () => `${folder}/lib.d.ts`,
      getCurrentDirectory: () => sys.getCurrentDirectory(),
      getCanonicalFileName: (name) => name,
      useCaseSensitiveFileNames: () => true,
      getNewLine: () => '\n',
      fileExists: (name) => this.#isRoot(name) || sys.fileExists(name),
      readFile: (name) => sys.readFile(name),
      directoryExists: (name) => sys.directoryExists(name),
      realpath: (name) => sys.realpath?.(name) ?? name,
      writeFile: () => {},
      getModuleResolutionCache: () => this.#sources.packages,
      resolveModuleNameLiterals: (literals, from) => literals.map(({ text }) => this.#sources.resolve(text, from)),
      hasInvalidatedResolutions: (path) => moved.has(path),
    };
  }
}

/** Names of modules that a file declares, as the compiler keeps them: in quotes. */
function quoted(locals: Scope['locals']): string[] {
  const names: string[] = [];
  locals?.forEach((_, name) => {
    if (name.startsWith('"')) names.push(name);
  });
  return names;
}

/** The file and all source files that it imports, directly or not; declaration files are left out. */
function sourcesBehind(program: Program, file: SourceFile, found: Set<string> = new Set()): Set<string> {
  found.add(file.fileName);
  (program as unknown as WithModules).forEachResolvedModule(({ resolvedModule }) => {
    const imported = resolvedModule && program.getSourceFile(resolvedModule.resolvedFileName);
    if (imported && !imported.isDeclarationFile && !found.has(imported.fileName))
      sourcesBehind(program, imported, found);
  }, file);
  return found;
}
