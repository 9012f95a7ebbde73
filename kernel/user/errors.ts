/** Errors as the notebook shows them: only user frames, in the cell's own lines and columns. */
import { inspect } from 'node:util';
import { TraceMap } from '@jridgewell/trace-mapping';
import type { ErrorReport } from '../bridge.ts';
import { CONVERTER_LINES, tracePosition } from '../source-position.ts';

/** Columns that the executor's wrapper takes on the first line of synchronous and asynchronous cells. */
const SYNC_PREFIX = '(function(exports, require) { '.length;
const ASYNC_PREFIX = '(async function(exports, require) { '.length;
const HIDDEN_FRAME =
  /tslab\/dist\/|node:vm|node:internal|node:async_hooks|[\\/]kernel[\\/]user[\\/]|dist[\\/]kernel[\\/]main\.js|__tslab__/;
const NOISE_LINE = /^evalmachine|^\s*\^+\s*$|^\s+at (async )?(cell-\d+|expression)\.ts$/;
const CELL_POSITION = /((?:cell-\d+|expression)\.ts):(\d+):(\d+)/g;

/** Raised in the place of whatever an interrupt ended. */
export class KeyboardInterrupt extends Error {
  override name = 'KeyboardInterrupt';

  constructor() {
    super('the cell was interrupted; the state of the kernel is kept');
    this.stack = `${this.name}: ${this.message}`;
  }
}

export class ErrorReporter {
  readonly #cells = new Map<string, { prefix: number; maps: TraceMap[] }>();

  /** Remembers how a cell's JavaScript maps to its source. */
  addCell(cell: string, isAsync: boolean, maps: string[]): void {
    const prefix = isAsync ? ASYNC_PREFIX : SYNC_PREFIX;
    this.#cells.set(cell, { prefix, maps: maps.map((map) => new TraceMap(map)) });
  }

  /** From now on every stack is told in the cells' own lines: in a report, in `console.error`, as a cell's value. */
  install(): void {
    Error.prepareStackTrace = (error, frames) => {
      const all = frames.map((frame) => this.#inCells(`    at ${frame}`));
      return [headOf(error), ...all.filter(isForReaders)].join('\n');
    };
  }

  report(error: unknown): ErrorReport {
    if (!isErrorLike(error)) {
      const text = inspect(error);
      return { ename: 'Thrown', evalue: text, traceback: [`Thrown: ${text}`] };
    }
    const { name, message, stack } = error;
    const start = stack.indexOf(`${name}: `);
    const lines = (start > 0 ? stack.slice(start) : stack).split('\n');
    const traceback = lines.filter(isForReaders);
    if (error.cause !== undefined)
      traceback.push(...this.report(error.cause).traceback.map((line) => `[cause] ${line}`));
    return { ename: name, evalue: message, traceback };
  }

  #inCells(line: string): string {
    return line.replace(CELL_POSITION, (_, cell: string, row, column) => this.#locate(cell, +row, +column));
  }

  #locate(cell: string, row: number, column: number): string {
    const known = this.#cells.get(cell);
    if (!known) return `${cell}:${row}:${column}`;
    const start = { line: row, column: Math.max(0, column - 1 - (row === 1 ? known.prefix : 0)) };
    const found = tracePosition(known.maps, start);
    return found ? `${cell}:${found.line - CONVERTER_LINES}:${found.column + 1}` : cell;
  }
}

function isForReaders(line: string): boolean {
  return !HIDDEN_FRAME.test(line) && !NOISE_LINE.test(line);
}

/** Name and message, as V8 begins a stack. */
function headOf(error: Error): string {
  try {
    return Error.prototype.toString.call(error);
  } catch {
    return '<error>'; // a name or message that cannot be text
  }
}

function isErrorLike(value: unknown): value is Error & { stack: string } {
  return typeof value === 'object' && value !== null && typeof (value as Error).stack === 'string';
}
