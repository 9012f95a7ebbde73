/** TypeScript for the notebook: tslab's converter (type check, redeclaration, completion, hover) with source maps. */
import { createRequire } from 'node:module';
import { TraceMap } from '@jridgewell/trace-mapping';
import type { Converter, ConvertResult, Diagnostic } from 'tslab/dist/converter.js';
import type { ConvertedCode, ErrorReport, LocalFile } from '../bridge.ts';
import { CONVERTER_LINES, tracePosition } from '../source-position.ts';
import { aliasedDeclaration, type CompilerWork, type PackageLocation, runnable, wrapCompiler } from './compiler.ts';
import { guardCell } from './guard.ts';
import { type Hover, readHover } from './hover.ts';
import { completePath } from './paths.ts';
import { PRACTICE } from './practice.ts';
import { isUnchecked, keptDeclarations, plainCell } from './rewrite.ts';
import { awaitsAtTop, declarationOf, declaredNames, readsAny } from './syntax.ts';
import { lessonFor } from './teach.ts';
import type { TypeScript } from './typescript.ts';

export interface ConvertedCell {
  converted: ConvertedCode;
  /** Source maps as JSON, from the code that runs back to the cell, in the order of looking up. */
  maps: string[];
  /** The local files that the cell imports, directly or not. */
  files: LocalFile[];
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
/** A cell beyond this many characters would exhaust the compiler's memory. */
const LONGEST_CELL = 8_000_000;

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

/** Names of Node's own that cells often use, and all that reads files: whoever writes one needs Node's types. */
const OF_NODE = /\b(?:import|require|console|process|Buffer|set(?:Timeout|Interval|Immediate)|fetch|URL|NodeJS)\b/;

export class Language {
  readonly version: string;
  readonly typescript: TypeScript;
  readonly #converter: Converter;
  readonly #work: CompilerWork;
  readonly #location: PackageLocation;
  /** Declarations of all cells so far: the scope of the next one. */
  #declarations = '';
  #declared: { text: string; names: ReadonlySet<string> } = { text: '', names: new Set() };
  /** The cells that made them. */
  readonly #committed: string[] = [];
  readonly #builtIns: readonly Imports[];
  /** Built-in names whose types have not been read yet. */
  #pending: readonly Imports[];
  readonly #onFirstUse: (imports: Imports) => void;

  /** `onFirstUse` is called when cells begin to use some of the built-in names. */
  constructor(location: PackageLocation, builtIns: readonly Imports[], onFirstUse: (imports: Imports) => void) {
    const require = createRequire(import.meta.url);
    const { ts, work } = wrapCompiler(createRequire(require.resolve('tslab/dist/converter.js')), location);
    this.#work = work;
    this.#location = location;
    this.typescript = ts;
    this.version = ts.version;
    const { createConverter } = require('tslab/dist/converter.js') as typeof import('tslab/dist/converter.js');
    this.#converter = createConverter({ isJS: false, isBrowser: false });
    this.#builtIns = builtIns;
    this.#pending = builtIns;
    this.#onFirstUse = onFirstUse;
  }

  /** Type checks and converts a cell. Throws DiagnosticsError. */
  convert(code: string, cell: string): ConvertedCell {
    if (code.length > LONGEST_CELL) throw new RangeError(tooLong(code.length));
    const ts = this.typescript;
    const text = plainCell(ts, code);
    this.#prepare(text);
    const files = runnable(ts, this.#work.sources.refresh(text, process.cwd()));
    const result = this.#check(text, code);
    if (result.diagnostics.length > 0) throw new DiagnosticsError(report(result.diagnostics, code, cell));
    const { diagnostics: _, sideOutputs: __, ...converted } = result;
    converted.declOutput = `${converted.declOutput ?? ''}${keptDeclarations(ts, this.#declarations, text)}`;
    converted.hasToplevelAwait = awaitsAtTop(ts, text);
    const maps = this.#work.map === null ? [] : [this.#work.map];
    const surroundings = { place: placesIn(cell, maps), earlier: () => this.#taken() };
    const guarded = converted.output === undefined ? null : guardCell(ts, converted.output, surroundings);
    if (guarded) converted.output = guarded.code;
    const allMaps = guarded && maps.length > 0 ? [guarded.map, ...maps] : maps;
    return { converted: withoutUndefined(converted), maps: allMaps, files };
  }

  /**
   * Converts a cell that is no user's, and forgets it; the second time completes in one, which reads Node's types. What
   * cells have declared is left out: nothing of theirs can make it fail.
   */
  practise(run: number): void {
    this.#work.isUnchecked = false;
    if (run === 1) this.#work.programs.withNode(() => this.#converter.complete('', 'process.', 8));
    else this.#converter.convert('', PRACTICE);
  }

  /** Makes a cell's declarations visible to later ones: called once it has run, well or not. */
  commit(converted: ConvertedCode, code: string): void {
    this.#declarations = converted.declOutput ?? '';
    this.#committed.push(code);
  }

  complete(code: string, position: number): Completion {
    const path = completePath(code, position, [process.cwd(), this.#location.root]);
    if (path)
      return { start: path.start, end: position, matches: path.matches.map((text) => ({ text, kind: 'module' })) };
    const text = plainCell(this.typescript, code);
    this.#prepare(text);
    this.#work.programs.learnNode();
    const found = this.#converter.complete(this.#declarations, text, position);
    const kinds = new Map((found.original?.entries ?? []).map((entry) => [entry.name, entry.kind as string]));
    const builtIns = this.#builtInsAt(code, found.start, position);
    const first = new Set(builtIns.map((match) => match.text));
    const others = [...new Set(found.candidates)].filter((candidate) => !first.has(candidate));
    const matches = others.map((candidate) => {
      const kind = kinds.get(candidate) ?? '';
      return { text: candidate, kind: COMPLETION_KINDS[kind] ?? kind };
    });
    return { start: found.start, end: found.end, matches: [...builtIns, ...matches] };
  }

  /** Type and documentation of the symbol at or just before `position`; null when there is none. */
  inspect(code: string, position: number): Hover | null {
    this.#prepare(code);
    this.#work.programs.learnNode();
    const names = namesBefore(code, position);
    const word = names.split('.').at(-1) ?? '';
    if (word !== '') this.#work.sources.readDocstrings(word);
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
    if (!this.#inspectType(name)) return null;
    return aliasedDeclaration(this.typescript, this.#work.programs.newest, this.#work.programs.cellFile);
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

  /** A cell is first checked without Node's types, which most programs of a few lines do without. */
  #check(text: string, code: string): ConvertResult {
    const { programs } = this.#work;
    if (OF_NODE.test(text)) programs.learnNode();
    const hadNode = programs.knowsNode;
    this.#work.map = null;
    this.#work.isUnchecked = isUnchecked(code);
    const result = this.#converter.convert(this.#declarations, text);
    if (result.diagnostics.length === 0) result.diagnostics.push(...programs.emitErrors());
    if (result.diagnostics.length === 0 || hadNode) return result;
    programs.learnNode();
    return this.#check(text, code);
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

  /**
   * Built-in names that the word before the cursor may become: those of which the converter does not know yet, and all
   * where nothing has been typed, which come first then.
   */
  #builtInsAt(code: string, start: number, position: number): Completion['matches'] {
    const word = code.slice(start, position);
    if (code[start - 1] === '.') return [];
    const offered = code.trim() === '' ? this.#builtIns : word === '' ? [] : this.#pending;
    return offered.flatMap((imports) => {
      const free = offered === this.#pending ? this.#free(imports) : imports.names;
      return free.filter((name) => name.startsWith(word)).map((text) => ({ text, kind: imports.kind }));
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
  const lesson = lessonFor(code);
  if (lesson !== null) return { ename: 'TypeScriptError', evalue: lesson, traceback: [lesson] };
  const lines = code.split('\n');
  const traceback = diagnostics.flatMap(({ fileName, start, end, code: number, messageText }) => {
    const head = `${fileName ?? cell}:${start.line + 1}:${start.character + 1} - TS${number}: ${messageText}`;
    if (fileName) return [head];
    const length = end.line === start.line ? Math.max(1, end.character - start.character) : 1;
    return [head, `  ${lines[start.line] ?? ''}`, `  ${' '.repeat(start.character)}${'~'.repeat(length)}`];
  });
  return { ename: 'TypeScriptError', evalue: diagnostics[0]?.messageText ?? '', traceback };
}

function tooLong(length: number): string {
  return `the cell has ${length} characters; wanted at most ${LONGEST_CELL}: put large data into a file and read it`;
}

function withoutUndefined(converted: Omit<ConvertResult, 'diagnostics'>): ConvertedCode {
  return Object.fromEntries(Object.entries(converted).filter(([, value]) => value !== undefined)) as ConvertedCode;
}
