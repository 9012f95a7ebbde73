/** From a position in running code back to the cell's own text. */
import { GREATEST_LOWER_BOUND, originalPositionFor, type TraceMap } from '@jridgewell/trace-mapping';

/** Lines that tslab's converter puts before the cell. */
export const CONVERTER_LINES = 1;

export interface Position {
  /** From 1. */
  line: number;
  /** From 0. */
  column: number;
}

/** Looks `position` up through all maps in turn; null where one has no answer. */
export function tracePosition(maps: readonly TraceMap[], position: Position): Position | null {
  let current = position;
  for (const map of maps) {
    const found = originalPositionFor(map, { ...current, bias: GREATEST_LOWER_BOUND });
    if (found.line === null) return null;
    current = { line: found.line, column: found.column };
  }
  return current;
}
