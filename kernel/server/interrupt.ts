/** Stops what the user thread is doing, gently first. */
import { Session } from 'node:inspector';
import type { ToUser } from '../bridge.ts';

const PATIENCE_MS = 150;
const POLL_MS = 10;

/**
 * Three steps, each tried only when the one before got no answer: a message (a pending await ends at once), SIGINT
 * (ends synchronous code that runs under `breakOnSigint`), and V8's termination (ends a loop after an await).
 */
export class Interrupter {
  readonly #post: (message: ToUser) => void;
  readonly #inspector = new Session();
  readonly #isInCell: Int32Array;

  /** `isInCell` is 1 while the user thread runs a cell: nothing else is ever ended by force. */
  constructor(post: (message: ToUser) => void, isInCell: Int32Array) {
    this.#post = post;
    this.#isInCell = isInCell;
    this.#inspector.connectToMainThread();
  }

  async interrupt(): Promise<void> {
    const acknowledged = new Int32Array(new SharedArrayBuffer(4));
    this.#post({ type: 'interrupt', acknowledged });
    if (await isSet(acknowledged)) return;
    if (Atomics.load(this.#isInCell, 0) === 0) return;
    if (process.platform !== 'win32') {
      process.kill(process.pid, 'SIGINT');
      if (await isSet(acknowledged)) return;
    }
    this.#inspector.post('Runtime.terminateExecution');
  }

  close(): void {
    this.#inspector.disconnect();
  }
}

async function isSet(flag: Int32Array): Promise<boolean> {
  for (let waited = 0; waited < PATIENCE_MS; waited += POLL_MS) {
    if (Atomics.load(flag, 0) === 1) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return Atomics.load(flag, 0) === 1;
}
