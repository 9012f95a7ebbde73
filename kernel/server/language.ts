/** TypeScript for the notebook: tslab's converter (type check, redeclaration, completion, hover) with source maps. */
import { createRequire } from 'node:module';
import { TraceMap } from '@jridgewell/trace-mapping';
import type { Converter, ConvertResult, Diagnostic } from 'tslab/dist/converter.js';
import type { ConvertedCode, ErrorReport } from '../bridge.ts';
import { CONVERTER_LINES, tracePosition } from '../source-position.ts';
import { type CompilerWork, type PackageLocation, wrapCompiler } from './compiler.ts';
import { guardCell } from './guard.ts';
import { type Hover, readHover } from './hover.ts';
import { declarationOf, declaredNames, isTopLevelForAwait, readsAny, type TypeScript } from './syntax.ts';

export interface ConvertedCell {
  converted: ConvertedCode;
  /** Source maps as JSON, from the code that runs back to the cell, in the order of looking up. */
  maps: string[];
}

export interface Completion {
  start: number;
  end: number;
  matches: { text: string; kind: string }[];
}

/** Icons of JupyterLab's completer by TypeScript's kinds of symbols. */
const COMPLETION_KINDS: Record<string, string> = {
  method: 'function',
  function: 'function',
  'local function': 'function',
  property: 'property',
  getter: 'property',
  setter: 'property',
  const: 'statement',
  let: 'statement',
  var: 'statement',
  class: 'class',
  alias: 'module',
  module: 'module',
  keyword: 'keyword',
  interface: 'type',
  type: 'type',
};

/** Longest run of names and dots that is looked at before a cursor. */
const LONGEST_NAMES = 200;

/** A cell that does not pass the type check; `report` shows each diagnostic under the cell's own line. */
export class DiagnosticsError extends Error {
  readonly report: ErrorReport;

  constructor(report: ErrorReport) {
    super(report.evalue);
    this.report = report;
  }
}

/** Names that cells have without an import. Their types are read when a cell first names one of them. */
export interface Imports {
  /** Absolute path of a module. */
  from: string;
  names: readonly string[];
  /** What the names are, as completion shows it. */
  kind: 'function' | 'module';
  /** The one name is the module itself, with its types as members. */
  isWhole?: boolean;
}

export class Language {
  readonly version: string;
  readonly typescript: TypeScript;
  readonly #converter: Converter;
  readonly #work: CompilerWork;
  /** Declarations of all cells so far: the scope of the next one. */
  #declarations = '';
  #declared: { text: string; names: ReadonlySet<string> } = { text: '', names: new Set() };
  /** The cells that made them. */
  readonly #committed: string[] = [];
  /** Built-in names whose types have not been read yet. */
  #pending: readonly Imports[];
  readonly #onFirstUse: (imports: Imports) => void;

  /** `onFirstUse` is called when cells begin to use some of the built-in names. */
  constructor(location: PackageLocation, builtIns: readonly Imports[], onFirstUse: (imports: Imports) => void) {
    const require = createRequire(import.meta.url);
    const fromTslab = createRequire(require.resolve('tslab/dist/converter.js'));
    this.#work = wrapCompiler(fromTslab, location);
    this.typescript = fromTslab('@tslab/typescript-for-tslab') as TypeScript;
    this.version = this.typescript.version;
    const { createConverter } = require('tslab/dist/converter.js') as typeof import('tslab/dist/converter.js');
    this.#converter = createConverter({ isJS: false, isBrowser: false });
    this.#pending = builtIns;
    this.#onFirstUse = onFirstUse;
  }

  /** Type checks and converts a cell. Throws DiagnosticsError. */
  convert(code: string, cell: string): ConvertedCell {
    this.#prepare(code);
    this.#work.maps = [];
    this.#work.namesOnly = declaredNames(this.typescript, code).length > 0;
    const result = this.#converter.convert(this.#declarations, code);
    if (result.diagnostics.length > 0) throw new DiagnosticsError(report(result.diagnostics, code, cell));
    const { diagnostics: _, ...converted } = result;
    if (!converted.hasToplevelAwait && isTopLevelForAwait(this.typescript, code)) converted.hasToplevelAwait = true;
    const maps = this.#work.maps;
    const surroundings = { place: placesIn(cell, maps), earlier: () => this.#taken() };
    const guarded = converted.output === undefined ? null : guardCell(this.typescript, converted.output, surroundings);
    if (guarded) converted.output = guarded.code;
    return { converted: withoutUndefined(converted), maps: guarded && maps.length > 0 ? [guarded.map, ...maps] : maps };
  }

  /** Makes a cell's declarations visible to later ones: called once it has run, well or not. */
  commit(converted: ConvertedCode, code: string): void {
    this.#declarations = converted.declOutput ?? '';
    this.#committed.push(code);
  }

  complete(code: string, position: number): Completion {
    this.#prepare(code);
    const found = this.#converter.complete(this.#declarations, code, position);
    const kinds = new Map((found.original?.entries ?? []).map((entry) => [entry.name, entry.kind as string]));
    const matches = found.candidates.map((text) => {
      const kind = kinds.get(text) ?? '';
      return { text, kind: COMPLETION_KINDS[kind] ?? kind };
    });
    const builtIns = this.#builtInsAt(code, found.start, position);
    return { start: found.start, end: found.end, matches: [...builtIns, ...matches] };
  }

  /** Type and documentation of the symbol at or just before `position`; null when there is none. */
  inspect(code: string, position: number): Hover | null {
    this.#prepare(code);
    const names = namesBefore(code, position);
    const word = names.split('.').at(-1) ?? '';
    if (word !== '') this.#work.readDocstrings(word);
    for (const at of [position, position - 1]) {
      if (at < 0) continue;
      const found = this.#hover(code, at);
      if (found) return found.signature.startsWith('namespace ') ? this.#withMembers(found, names) : found;
    }
    return word === '' ? null : this.#inspectType(names);
  }

  /** How `name` is written: by the cell that declared it last, or in its package if it is a type; null for all else. */
  source(name: string): string | null {
    for (const code of [...this.#committed].reverse()) {
      const found = code.includes(name) ? declarationOf(this.typescript, code, name) : null;
      if (found !== null) return found;
    }
    return this.#inspectType(name) && this.#work.aliasedDeclaration();
  }

  /** Interfaces and type aliases are nothing as values: they are looked up where a type is wanted. */
  #inspectType(names: string): Hover | null {
    const code = `type Inspected = ${names}`;
    return this.#hover(code, code.length);
  }

  #withMembers(found: Hover, names: string): Hover {
    const members = this.complete(`${names}.`, names.length + 1).matches.map(({ text }) => text);
    return { ...found, documentation: [found.documentation, members.join(', ')].filter(Boolean).join('\n\n') };
  }

  #hover(code: string, position: number): Hover | null {
    return readHover(this.#converter.inspect(this.#declarations, code, position));
  }

  close(): void {
    this.#converter.close();
  }

  /** Declares built-in names when the code is the first to read one. */
  #prepare(code: string): void {
    const used = this.#pending.filter((imports) => readsAny(this.typescript, code, this.#free(imports)));
    if (used.length === 0) return;
    this.#pending = this.#pending.filter((imports) => !used.includes(imports));
    for (const imports of used) {
      this.#onFirstUse(imports);
      this.#declare(imports);
    }
  }

  /** Built-in names that the word before the cursor may become and that are not declared yet. */
  #builtInsAt(code: string, start: number, position: number): Completion['matches'] {
    const word = code.slice(start, position);
    if (word === '' || code[start - 1] === '.') return [];
    return this.#pending.flatMap((imports) => {
      const names = this.#free(imports).filter((name) => name.startsWith(word));
      return names.map((text) => ({ text, kind: imports.kind }));
    });
  }

  /** Adds imports to the scope of all cells; what they import is there at run time already. */
  #declare(imports: Imports): void {
    const names = this.#free(imports);
    if (names.length === 0) return;
    const what = imports.isWhole ? `* as ${names[0]}` : `{ ${names.join(', ')} }`;
    this.#declarations += `import ${what} from ${JSON.stringify(imports.from)};\n`;
  }

  /** The names that no cell has declared as its own. */
  #free({ names }: Imports): string[] {
    const taken = this.#taken();
    return names.filter((name) => !taken.has(name));
  }

  /** Names that cells have declared so far: asked for at each key stroke, read anew when the declarations change. */
  #taken(): ReadonlySet<string> {
    if (this.#declared.text !== this.#declarations) {
      const names = new Set(declaredNames(this.typescript, this.#declarations));
      this.#declared = { text: this.#declarations, names };
    }
    return this.#declared.names;
  }
}

/** The identifier around `position` with what stands before it and a dot; empty where there is none. */
function namesBefore(code: string, position: number): string {
  const before = /(?:[\w$]+\.)*[\w$]*$/.exec(code.slice(Math.max(0, position - LONGEST_NAMES), position))?.[0] ?? '';
  const after = /^[\w$]*/.exec(code.slice(position))?.[0] ?? '';
  return before + after;
}

/** Names places in a cell as stack frames do. */
function placesIn(cell: string, maps: readonly string[]): (line: number, column: number) => string {
  const traced = maps.map((map) => new TraceMap(map));
  return (line, column) => {
    const found = tracePosition(traced, { line, column });
    return found ? `${cell}:${found.line - CONVERTER_LINES}:${found.column + 1}` : cell;
  };
}

function report(diagnostics: readonly Diagnostic[], code: string, cell: string): ErrorReport {
  const lines = code.split('\n');
  const traceback = diagnostics.flatMap(({ fileName, start, end, code: number, messageText }) => {
    const head = `${fileName ?? cell}:${start.line + 1}:${start.character + 1} - TS${number}: ${messageText}`;
    if (fileName) return [head];
    const length = end.line === start.line ? Math.max(1, end.character - start.character) : 1;
    return [head, `  ${lines[start.line] ?? ''}`, `  ${' '.repeat(start.character)}${'~'.repeat(length)}`];
  });
  return { ename: 'TypeScriptError', evalue: diagnostics[0]?.messageText ?? '', traceback };
}

function withoutUndefined(converted: Omit<ConvertResult, 'diagnostics'>): ConvertedCode {
  return Object.fromEntries(Object.entries(converted).filter(([, value]) => value !== undefined)) as ConvertedCode;
}
