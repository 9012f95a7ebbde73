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
/** Places that the server has mapped already (see server/guard.ts). */
const MAPPED_POSITION = /((?:cell-\d+|expression)\.ts)#/g;
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

  report(error: unknown): ErrorReport {
    if (!isErrorLike(error)) {
      const text = inspect(error);
      return { ename: 'Thrown', evalue: text, traceback: [`Thrown: ${text}`] };
    }
    const { name, message, stack } = error;
    const start = stack.indexOf(`${name}: `);
    const traceback = this.#mapStack(start > 0 ? stack.slice(start) : stack);
    if (error.cause !== undefined)
      traceback.push(...this.report(error.cause).traceback.map((line) => `[cause] ${line}`));
    return { ename: name, evalue: message, traceback };
  }

  #mapStack(stack: string): string[] {
    return stack
      .split('\n')
      .filter((line) => !HIDDEN_FRAME.test(line) && !NOISE_LINE.test(line))
      .map((line) => line.replace(CELL_POSITION, (_, cell: string, row, column) => this.#locate(cell, +row, +column)))
      .map((line) => line.replace(MAPPED_POSITION, '$1:'))
      .filter((line) => !NOISE_LINE.test(line));
  }

  #locate(cell: string, row: number, column: number): string {
    const known = this.#cells.get(cell);
    if (!known) return `${cell}:${row}:${column}`;
    const start = { line: row, column: Math.max(0, column - 1 - (row === 1 ? known.prefix : 0)) };
    const found = tracePosition(known.maps, start);
    return found ? `${cell}:${found.line - CONVERTER_LINES}:${found.column + 1}` : cell;
  }
}

function isErrorLike(value: unknown): value is Error & { stack: string } {
  return typeof value === 'object' && value !== null && typeof (value as Error).stack === 'string';
}
