/** Stops what the user thread is doing, gently first. */
import { Session } from 'node:inspector';
import { CellState, type ToUser } from '../bridge.ts';

const PATIENCE_MS = 150;
/** For a cell that computes with tensors: longer than a native call of an engine should take. */
const TENSOR_PATIENCE_MS = 3000;
const POLL_MS = 10;
const ATTEMPTS = 20;

/**
 * Three steps, each tried only when the one before got no answer: a message (a pending await ends at once, a tensor
 * operation throws), SIGINT
 * (ends synchronous code that runs under `breakOnSigint`), and V8's termination (ends a loop after an await).
 */
export class Interrupter {
  readonly #post: (message: ToUser) => void;
  readonly #inspector = new Session();
  readonly #cellState: Int32Array;

  /** `cellState` tells whether the user thread runs a cell: nothing else is ever ended by force. */
  constructor(post: (message: ToUser) => void, cellState: Int32Array) {
    this.#post = post;
    this.#cellState = cellState;
    this.#inspector.connectToMainThread();
  }

  /**
   * Stops the cell of the request `parent`. V8's termination may hit the code that hears of the interrupt, or that
   * begins the cell: whoever was ended is asked again.
   */
  async interrupt(parent: string): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) if (await this.#attempt(parent, attempt > 0)) return;
  }

  /** Whether the user thread has heard of it. */
  async #attempt(parent: string, isRepeat: boolean): Promise<boolean> {
    const acknowledged = new Int32Array(new SharedArrayBuffer(4));
    Atomics.store(this.#cellState, CellState.isInterrupted, 1);
    this.#post({ type: 'interrupt', parent, isRepeat, acknowledged });
    const usesTensors = Atomics.load(this.#cellState, CellState.usesTensors) === 1;
    if (await isSet(acknowledged, usesTensors ? TENSOR_PATIENCE_MS : PATIENCE_MS)) return true;
    if (Atomics.load(this.#cellState, CellState.isRunning) === 0) return isSet(acknowledged, PATIENCE_MS);
    if (process.platform !== 'win32') {
      process.kill(process.pid, 'SIGINT');
      if (await isSet(acknowledged, PATIENCE_MS)) return true;
    }
    Atomics.store(this.#cellState, CellState.isTerminated, 1);
    this.#inspector.post('Runtime.terminateExecution');
    return isSet(acknowledged, PATIENCE_MS);
  }

  close(): void {
    this.#inspector.disconnect();
  }
}

async function isSet(flag: Int32Array, patienceMs: number): Promise<boolean> {
  for (let waited = 0; waited < patienceMs; waited += POLL_MS) {
    if (Atomics.load(flag, 0) === 1) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return Atomics.load(flag, 0) === 1;
}
