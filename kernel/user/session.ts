/** Runs cells in this thread through tslab's executor, and tells the server thread what comes of them. */
import { createRequire } from 'node:module';
import type { Converter, ConvertResult } from 'tslab/dist/converter.js';
import type { Executor } from 'tslab/dist/executor.js';
import {
  type ExecutionResult,
  INPUT_CAPACITY_BYTES,
  INPUT_HEADER_BYTES,
  InputState,
  type ToServer,
  type ToUser,
} from '../bridge.ts';
import { CellState } from '../cell-state.ts';
import type { Json } from '../protocol/wire.ts';
import type { Session } from './bound.ts';
import { type BuiltIns, provideBuiltIns } from './built-ins.ts';
import { Comms } from './comms.ts';
import { ErrorReporter, KeyboardInterrupt } from './errors.ts';
import { endProcess, keepProcess } from './exit.ts';
import { installGuards } from './guard.ts';
import { toMimeBundle } from './mime.ts';
import { defineImportMeta } from './modules.ts';
import { Streams } from './streams.ts';
import { markTensorEngine, watchTensorEngine } from './tensor-engine.ts';

type Execute = ToUser & { type: 'execute' };
type Outcome = { ok: true; value: unknown; hasValue: boolean } | { ok: false; error: unknown };

/** A cell that an interrupt has ended is reported by then, whatever became of its own code. */
const REPORT_WITHIN_MS = 300;
/** The same for a cell that computes with tensors: a training step ends, and releases what it holds. */
const REPORT_TENSORS_WITHIN_MS = 1500;

/** The cell that runs now. */
interface Running {
  parent: string;
  abort: AbortController;
  reject: (reason: Error) => void;
  deferred: Promise<void>[];
  /** Ends the scopes and gradients that the cell has left open. */
  closeTensors: () => void;
}

export class UserSession implements Session {
  readonly comms: Comms;
  readonly #post: (message: ToServer) => void;
  readonly #builtIns: BuiltIns;
  readonly #cellState: Int32Array;
  readonly #streams: Streams;
  readonly #errors = new ErrorReporter();
  readonly #executor: Executor;
  /** What the executor's fake converter hands out next. */
  #converted: ConvertResult = { diagnostics: [] };
  #outcome: Outcome = { ok: true, value: undefined, hasValue: false };
  #running: Running | null = null;
  #signal: AbortSignal = new AbortController().signal;
  /** The request that output belongs to: the last cell's, also after it has ended (timers). */
  #parent = '';

  constructor(post: (message: ToServer) => void, builtIns: BuiltIns, cellState: Int32Array) {
    this.#post = post;
    this.#cellState = cellState;
    this.#builtIns = builtIns;
    this.#streams = new Streams((name, text) => this.#publish('stream', { name, text }));
    this.comms = new Comms(
      (messageType, content, metadata, buffers) => this.#publish(messageType, content, metadata, buffers),
      (open) => post({ type: 'comms', open }),
    );
    this.#executor = this.#createExecutor();
    provideBuiltIns(this.#executor.locals, builtIns);
  }

  get signal(): AbortSignal {
    return this.#signal;
  }

  /** Takes over the process's output and its last-resort error handlers. */
  install(): void {
    this.#streams.install();
    this.#errors.install();
    defineImportMeta();
    keepProcess();
    installGuards(() => ({ signal: this.#signal, endAtTensors: (on) => this.#set(CellState.isInterrupted, on) }));
    watchTensorEngine(() => this.#checkInterrupt());
    process.on('SIGINT', () => this.#interruptRunning());
    const report = (kind: string) => (error: unknown) =>
      this.#streams.write('stderr', `${kind}: ${this.#errors.report(error).traceback.join('\n')}\n`);
    process.on('uncaughtException', report('Uncaught exception outside any cell'));
    process.on('unhandledRejection', report('Unhandled promise rejection'));
  }

  /** A message from the server thread. */
  receive(message: ToUser): void {
    switch (message.type) {
      case 'execute':
        void this.#execute(message);
        break;
      case 'interrupt':
        Atomics.store(message.acknowledged, 0, 1);
        this.#set(CellState.isInterrupted, false);
        this.#interruptRunning();
        break;
      case 'comm':
        this.#receiveComm(message);
        break;
      case 'warm':
        this.#warm(message.names);
        break;
      case 'exit':
        endProcess(0);
    }
  }

  publish(messageType: string, content: Json): void {
    this.#publish(messageType, content);
  }

  defer(work: Promise<void>): void {
    if (this.#running) this.#running.deferred.push(work);
  }

  input(prompt: string, password: boolean): string {
    this.#streams.flush();
    const answer = new SharedArrayBuffer(INPUT_HEADER_BYTES + INPUT_CAPACITY_BYTES);
    const header = new Int32Array(answer, 0, 2);
    this.#post({ type: 'input', parent: this.#parent, prompt, password, answer });
    Atomics.wait(header, 0, InputState.waiting);
    const [state = 0, length = 0] = header;
    if (state === InputState.interrupted) throw new KeyboardInterrupt();
    if (state === InputState.unsupported) {
      throw new Error('this front end does not allow input: give the value in the cell instead');
    }
    return Buffer.from(new Uint8Array(answer, INPUT_HEADER_BYTES, length)).toString();
  }

  async #execute({ parent, cell, converted, maps }: Execute): Promise<void> {
    this.#parent = parent;
    this.#converted = { ...converted, diagnostics: [] };
    if (this.#converted.output !== undefined) this.#converted.output += `\n//# sourceURL=${cell}`;
    if (maps.length > 0) this.#errors.addCell(cell, converted.hasToplevelAwait === true, maps);
    const result = await this.#run(parent);
    this.#finish(parent, result);
  }

  /** Ends the running cell, once. */
  #finish(parent: string, result: ExecutionResult): void {
    if (this.#running?.parent !== parent) return;
    this.#set(CellState.isRunning, false);
    if (!result.ok) this.#running.closeTensors();
    this.#running = null;
    this.#streams.flush();
    this.#post({ type: 'done', parent, result });
  }

  async #run(parent: string): Promise<ExecutionResult> {
    const abort = new AbortController();
    this.#signal = abort.signal;
    const interrupted = new Promise<never>((_, reject) => {
      this.#running = { parent, abort, reject, deferred: [], closeTensors: markTensorEngine() };
    });
    interrupted.catch(() => {});
    this.#set(CellState.isInterrupted, false);
    this.#set(CellState.usesTensors, false);
    this.#set(CellState.isRunning, true);
    this.#outcome = { ok: true, value: undefined, hasValue: false };
    try {
      await Promise.race([this.#executor.execute(''), interrupted]);
      const outcome = this.#outcome as Outcome;
      if (!outcome.ok) throw outcome.error;
      const value = await Promise.race([outcome.value, interrupted]);
      await Promise.race([this.#settleDeferred(), interrupted]);
      if (!outcome.hasValue || value === undefined) return { ok: true };
      const bundle = await Promise.race([toMimeBundle(value), interrupted]);
      return Object.keys(bundle.data).length > 0 ? { ok: true, ...bundle } : { ok: true };
    } catch (error) {
      // What was displayed before the error is shown before it.
      if (!abort.signal.aborted) await Promise.race([this.#settleDeferred(), interrupted]).catch(() => {});
      return { ok: false, error: this.#errors.report(asInterrupt(error)) };
    }
  }

  /** Waits for everything that the cell deferred, and for what that defers in turn. */
  async #settleDeferred(): Promise<void> {
    for (let batch = this.#running?.deferred.splice(0); batch?.length; batch = this.#running?.deferred.splice(0)) {
      await Promise.all(batch);
    }
  }

  /** What a comm message causes belongs to it; a cell that runs meanwhile keeps its own output. */
  #receiveComm({ parent, messageType, content, metadata, buffers }: ToUser & { type: 'comm' }): void {
    const before = this.#parent;
    this.#streams.flush();
    this.#parent = parent;
    try {
      this.comms.receive(messageType, content, metadata, buffers);
    } finally {
      this.#streams.flush();
      if (this.#running) this.#parent = before;
    }
  }

  /** Reads built-in names once, unless a cell is running. A library that fails to load shows when a cell uses it. */
  #warm(names: readonly string[]): void {
    if (this.#running) return;
    try {
      for (const name of names) this.#builtIns[name]?.();
    } catch {
      // The same error comes again in the cell that reads the name.
    }
  }

  /** Ends a cell that computes with tensors between two of their operations. */
  #checkInterrupt(): void {
    this.#set(CellState.usesTensors, true);
    if (!this.#running || Atomics.load(this.#cellState, CellState.isInterrupted) === 0) return;
    this.#set(CellState.isInterrupted, false);
    throw new KeyboardInterrupt();
  }

  #set(place: number, on: boolean): void {
    Atomics.store(this.#cellState, place, on ? 1 : 0);
  }

  /**
   * The cell's own code ends by the signal and reports itself. The timer reports it where that takes too long, and
   * where V8's termination, which may come as late as a native call returns, ended the code of this class as well.
   */
  #interruptRunning(): void {
    if (!this.#running) return;
    const { parent, abort, reject } = this.#running;
    const reason = new KeyboardInterrupt();
    const usesTensors = Atomics.load(this.#cellState, CellState.usesTensors) === 1;
    const report = (): void => {
      reject(reason);
      this.#finish(parent, { ok: false, error: this.#errors.report(reason) });
    };
    setTimeout(report, usesTensors ? REPORT_TENSORS_WITHIN_MS : REPORT_WITHIN_MS);
    abort.abort(reason);
  }

  #publish(messageType: string, content: Json, metadata: Json = {}, buffers: Uint8Array[] = []): void {
    if (messageType !== 'stream') this.#streams.flush();
    this.#post({ type: 'iopub', parent: this.#parent, messageType, content, metadata, buffers });
  }

  #createExecutor(): Executor {
    const require = createRequire(import.meta.url);
    skipMetadata(require);
    const { createExecutor } = require('tslab/dist/executor.js') as typeof import('tslab/dist/executor.js');
    const node = { convert: () => this.#converted, close: () => {} } as unknown as Converter;
    return createExecutor(
      process.cwd(),
      { node, browser: node, close: () => {} },
      {
        log: (value: unknown) => {
          this.#outcome = { ok: true, value, hasValue: true };
        },
        error: (error: unknown) => {
          this.#outcome = { ok: false, error };
        },
      },
    );
  }
}

/** The executor loads TypeScript to read tags in a cell's comments: the code that comes here has been read already. */
function skipMetadata(require: NodeJS.Require): void {
  const id = require.resolve('tslab/dist/metadata.js');
  require.cache[id] = { id, loaded: true, exports: { getCodeMetadata: () => ({}) } } as unknown as NodeJS.Module;
}

/** SIGINT and V8's termination end synchronous code with errors of Node's own. */
function asInterrupt(error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED' || error === null ? new KeyboardInterrupt() : error;
}
