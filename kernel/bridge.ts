/**
 * What the two threads say to each other.
 *
 * The server thread speaks the protocol and knows TypeScript; the user thread runs user code and nothing else, so
 * that heartbeat, control, completion and interrupts are answered while a cell computes.
 */
import type { Json, JsonText } from './protocol/wire.ts';

/** What tslab's converter makes of a cell, as the executor needs it. */
export interface ConvertedCode {
  output?: string;
  declOutput?: string;
  lastExpressionVar?: string;
  hasToplevelAwait?: boolean;
}

/** A file that a cell imports, directly or not, as it was when the cell was checked. */
export interface LocalFile {
  path: string;
  text: string;
}

/** A cell for the user thread. */
export interface Cell {
  /** Id of the request that runs it. */
  parent: string;
  /** Its name in stack traces. */
  name: string;
  converted: ConvertedCode;
  /** Source maps as JSON, from the code that runs back to the cell, in the order of looking up. */
  maps: string[];
  /** The local files that it imports, directly or not. */
  files: LocalFile[];
}

export type ToUser =
  | { type: 'execute'; cell: Cell }
  /** `isRepeat`: the same interrupt again, as nobody has answered. */
  | { type: 'interrupt'; parent: string; isRepeat: boolean; acknowledged: Int32Array }
  | { type: 'comm'; parent: string; messageType: string; content: Json; metadata: Json; buffers: Uint8Array[] }
  | { type: 'warm'; names: string[] }
  | { type: 'exit' };

/** What user code made goes as text: values that have no JSON are errors where they are made, not on the way. */
export type ToServer =
  | { type: 'iopub'; parent: string; messageType: string; content: JsonText; metadata: JsonText; buffers: Uint8Array[] }
  | { type: 'done'; parent: string; result: JsonText }
  /** An interrupt found that the cell of this request does not run, nor will. */
  | { type: 'gone'; parent: string }
  | { type: 'comms'; open: Record<string, { target_name: string }> }
  | { type: 'input'; parent: string; prompt: string; password: boolean; answer: SharedArrayBuffer };

/** A MIME bundle: MIME type to text, base64 or JSON. */
export type MimeData = { [mime: string]: unknown };

export type ExecutionResult = { ok: true; data?: MimeData; metadata?: Json } | { ok: false; error: ErrorReport };

/** An error as the protocol shows it; the traceback names cells and their own lines. */
export interface ErrorReport {
  ename: string;
  evalue: string;
  traceback: string[];
}

/** State of an input request in its shared buffer: [state, byte length], then the text in UTF-8. */
export const InputState: { waiting: 0; answered: 1; unsupported: 2; interrupted: 3 } = {
  waiting: 0,
  answered: 1,
  unsupported: 2,
  interrupted: 3,
};
export const INPUT_HEADER_BYTES = 8;
export const INPUT_CAPACITY_BYTES = 1_048_576;

/** What both threads know of the running cell at any moment: places in an array that they share, each 0 or 1. */
export const CellState: { isRunning: 0; isInterrupted: 1; usesTensors: 2; isTerminated: 3 } = {
  isRunning: 0,
  /** Asks the cell to end at its next tensor operation; who ends it puts 0 back. */
  isInterrupted: 1,
  /** The cell has computed with tensors: it may be in a native call, and will look at `isInterrupted` after it. */
  usesTensors: 2,
  /** V8 was asked to end whatever runs: it does so without an error to catch. */
  isTerminated: 3,
};

export function createCellState(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT));
}
