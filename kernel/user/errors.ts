/** Errors as the notebook shows them: only user frames, in the own lines and columns of cells and local files. */
import { inspect, types } from 'node:util';
import { TraceMap } from '@jridgewell/trace-mapping';
import type { ErrorReport } from '../bridge.ts';
import { CONVERTER_LINES, tracePosition } from '../source-position.ts';
import { bare, pristine } from './own.ts';

const HIDDEN_FRAME =
  /node:vm|node:internal|node:async_hooks|node:timers|[\\/]kernel[\\/]user[\\/]|dist[\\/]kernel[\\/]main\.js|at Worker\.emit /;
const NOISE_LINE = /^evalmachine|^\s*\^+\s*$|^\s+at (async )?(cell-\d+|expression)\.ts$/;
const POSITION = /((?:cell-\d+|expression)\.ts|[^\s()]+):(\d+):(\d+)/g;
const { isNativeError } = types;
/** As deep as causes are followed. */
const DEEPEST_CAUSE = 8;

type Prepare = (error: Error, frames: NodeJS.CallSite[]) => unknown;

/** Raised in the place of whatever an interrupt ended. */
export class KeyboardInterrupt extends Error {
  override name = 'KeyboardInterrupt';

  constructor() {
    super('the cell was interrupted; the state of the kernel is kept');
    this.stack = `${this.name}: ${this.message}`;
  }
}

/** How running code leads back to what was written. */
interface Source {
  /** Columns before the code on its first line. */
  prefix: number;
  /** Lines before what was written. */
  lines: number;
  maps: TraceMap[];
}

export class ErrorReporter {
  readonly #sources = new Map<string, Source>();
  /** What a cell or a library has set to see stacks in a form of its own. */
  #prepare: Prepare | null = null;

  /** Remembers how a cell's JavaScript maps to its source. */
  addCell(cell: string, prefix: number, maps: readonly string[]): void {
    this.#sources.set(cell, { prefix, lines: CONVERTER_LINES, maps: maps.map((map) => new TraceMap(map)) });
  }

  /** The same for a local file. */
  addFile(path: string, map: string): void {
    this.#sources.set(path, { prefix: 0, lines: 0, maps: [new TraceMap(map)] });
  }

  /**
   * From now on every stack is told in the cells' own lines: in a report, in `console.error`, as a cell's value. A
   * function that a cell puts in our place is asked first; where it fails, the stack is told as if it were not there.
   */
  install(): void {
    const own: Prepare = (error, frames) => pristine(() => this.#stack(error, frames));
    const guarded: Prepare = (error, frames) => {
      try {
        if (this.#prepare) return this.#prepare(error, frames);
      } catch {
        // Told below.
      }
      return own(error, frames);
    };
    const get = (): Prepare => guarded;
    const set = (value: unknown): void => {
      this.#prepare = typeof value === 'function' && value !== guarded ? (value as Prepare) : null;
    };
    Object.defineProperty(Error, 'prepareStackTrace', bare({ get, set, configurable: true, enumerable: false }));
  }

  /** Never throws, whatever was thrown. */
  report(error: unknown): ErrorReport {
    return pristine(() => this.#report(error, []));
  }

  #report(error: unknown, above: readonly unknown[]): ErrorReport {
    if (!isErrorLike(error)) {
      const text = textOf(error);
      return { ename: 'Thrown', evalue: text, traceback: [`Thrown: ${text}`] };
    }
    const name = member(error, 'name', 'Error');
    const message = member(error, 'message', '');
    const stack = member(error, 'stack', `${name}: ${message}`);
    const start = stack.indexOf(`${name}: `);
    const traceback = (start > 0 ? stack.slice(start) : stack).split('\n').filter(isForReaders);
    const causes = [...above, error];
    const cause = memberOf(error, 'cause');
    if (cause !== undefined && !causes.includes(cause) && causes.length < DEEPEST_CAUSE) {
      traceback.push(...this.#report(cause, causes).traceback.map((line) => `[cause] ${line}`));
    }
    return { ename: name, evalue: message, traceback };
  }

  #stack(error: Error, frames: NodeJS.CallSite[]): string {
    const all = frames.map((frame) => this.#inSources(`    at ${String(frame)}`));
    return [headOf(error), ...all.filter(isForReaders)].join('\n');
  }

  #inSources(line: string): string {
    return line.replace(POSITION, (text, file: string, row, column) => this.#locate(file, +row, +column) ?? text);
  }

  #locate(file: string, row: number, column: number): string | null {
    const known = this.#sources.get(file);
    if (!known) return null;
    const start = { line: row, column: Math.max(0, column - 1 - (row === 1 ? known.prefix : 0)) };
    const found = tracePosition(known.maps, start);
    return found ? `${file}:${found.line - known.lines}:${found.column + 1}` : file;
  }
}

/** A value as Node prints it; where the value's own code keeps it from that, as Node prints it without asking it. */
export function textOf(value: unknown, options: object = {}): string {
  for (const how of [options, { ...options, customInspect: false, showProxy: true, getters: false }]) {
    try {
      return inspect(value, how);
    } catch {
      // The next way, or none.
    }
  }
  return `<${typeof value} that cannot be shown>`;
}

function isForReaders(line: string): boolean {
  return !HIDDEN_FRAME.test(line) && !NOISE_LINE.test(line);
}

/** Name and message, as V8 begins a stack. */
function headOf(error: Error): string {
  try {
    return String(Error.prototype.toString.call(error));
  } catch {
    return '<error>'; // a name or message that cannot be text
  }
}

/** Errors of this realm, and whatever has a stack as they do. */
function isErrorLike(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  return isNativeError(value) || typeof memberOf(value, 'stack') === 'string';
}

/** A member that may be a getter's, or a proxy's; undefined where reading it throws. */
function memberOf(object: object, name: string): unknown {
  try {
    return (object as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}

/** A member as text, whatever it is. */
function member(error: object, name: string, otherwise: string): string {
  const value = memberOf(error, name);
  if (typeof value === 'string') return value;
  return value === undefined ? otherwise : textOf(value);
}
