/**
 * What the two threads say to each other.
 *
 * The server thread speaks the protocol and knows TypeScript; the user thread runs user code and nothing else, so
 * that heartbeat, control, completion and interrupts are answered while a cell computes.
 */
import type { Json } from './protocol/wire.ts';

/** What tslab's converter makes of a cell, as the executor needs it. */
export interface ConvertedCode {
  output?: string;
  declOutput?: string;
  lastExpressionVar?: string;
  hasToplevelAwait?: boolean;
  sideOutputs?: { path: string; data: string }[];
}

export type ToUser =
  | { type: 'execute'; parent: string; cell: string; converted: ConvertedCode; maps: string[] }
  | { type: 'interrupt'; acknowledged: Int32Array }
  | { type: 'comm'; parent: string; messageType: string; content: Json; metadata: Json; buffers: Uint8Array[] }
  | { type: 'warm'; names: string[] }
  | { type: 'exit' };

export type ToServer =
  | { type: 'iopub'; parent: string; messageType: string; content: Json; metadata: Json; buffers: Uint8Array[] }
  | { type: 'done'; parent: string; result: ExecutionResult }
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
