/** Runs cells in this thread, and tells the server thread what comes of them. */

import { setImmediate } from 'node:timers';
import {
  type Cell,
  CellState,
  type ExecutionResult,
  INPUT_CAPACITY_BYTES,
  INPUT_HEADER_BYTES,
  InputState,
  type ToServer,
  type ToUser,
} from '../bridge.ts';
import type { Json } from '../protocol/wire.ts';
import type { Session } from './bound.ts';
import { Cells, type Outcome } from './cells.ts';
import { endChildrenWithKernel } from './children.ts';
import { Comms } from './comms.ts';
import { type Context, Contexts, later } from './contexts.ts';
import { ErrorReporter, KeyboardInterrupt } from './errors.ts';
import { endProcess, type Handlers, keepHandlers, keepProcess } from './exit.ts';
import { follow, installGuards } from './guard.ts';
import { toJson } from './json.ts';
import { toMimeBundle } from './mime.ts';
import { definePlace, LocalModules } from './modules.ts';
import { bare, pristine } from './own.ts';
import { provideStdin } from './stdin.ts';
import { Streams } from './streams.ts';
import { markTensorEngine, watchTensorEngine } from './tensor-engine.ts';

const OwnPromise = Promise;
const { keys } = Object;
const { load: loadState, store: storeState } = Atomics;

/** A cell that an interrupt has ended is reported by then, whatever became of its own code. */
const REPORT_WITHIN_MS = 300;
/** The same for a cell that computes with tensors: a training step ends, and releases what it holds. */
const REPORT_TENSORS_WITHIN_MS = 1500;
/** The same for a cell whose `finally` blocks wait for something: a second interrupt ends them. */
const REPORT_FINALLY_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 20;
const SAME_WITHIN_MS = 1000;

/** The cell that runs now. */
interface Running {
  context: Context;
  /** Rejects when the cell is reported as interrupted. */
  interrupted: Promise<never>;
  reject: (reason: Error) => void;
  deferred: Promise<void>[];
  /** Ends the scopes and gradients that the cell has left open. */
  closeTensors: () => void;
}

/** What a session is made with. */
export interface SessionParts {
  post(message: ToServer): void;
  /** The built-in names: each is asked for its value when a cell first reads it. */
  builtIns: object;
  /** Shared with the server thread. */
  cellState: Int32Array;
  /** Folder of this package's own modules. */
  ownPackage: string;
}

export class UserSession implements Session {
  readonly comms: Comms;
  readonly #post: (message: ToServer) => void;
  readonly #builtIns: Record<string, unknown>;
  readonly #cellState: Int32Array;
  readonly #streams: Streams;
  readonly #errors = new ErrorReporter();
  readonly #cells: Cells;
  readonly #modules: LocalModules;
  readonly #contexts: Contexts;
  readonly #handlers: Handlers = {
    uncaughtException: (error: unknown) => this.#reportLate('Uncaught exception outside any cell', error),
    unhandledRejection: (error: unknown) => this.#reportLate('Unhandled promise rejection', error),
  };
  #running: Running | null = null;
  #stoppedAt = 0;

  constructor({ post, builtIns, cellState, ownPackage }: SessionParts) {
    this.#post = post;
    this.#cellState = cellState;
    this.#builtIns = builtIns as Record<string, unknown>;
    this.#streams = new Streams((name, text) => this.#publish('stream', { name, text }));
    this.#contexts = new Contexts(() => this.#streams.flush());
    this.comms = new Comms(
      (messageType, content, metadata, buffers) => this.#publish(messageType, content, metadata, buffers),
      (open) => post({ type: 'comms', open }),
    );
    this.#cells = new Cells(cellState, builtIns, () => setImmediate(() => this.#interruptRunning(true)));
    this.#modules = new LocalModules(process.cwd(), ownPackage, (path, map) => this.#errors.addFile(path, map));
  }

  get signal(): AbortSignal {
    return this.#contexts.current.abort.signal;
  }

  /** Takes over the process's output and its last-resort error handlers. */
  install(): void {
    this.#streams.install();
    this.#errors.install();
    definePlace();
    keepProcess();
    endChildrenWithKernel();
    provideStdin(() => this.input('', false));
    this.#contexts.installTimers();
    installGuards(this.#contexts, (on) => this.#set(CellState.isInterrupted, on));
    watchTensorEngine(() => this.#checkInterrupt());
    keepHandlers(this.#handlers);
  }

  /** A message from the server thread. */
  receive(message: ToUser): void {
    if (message.type === 'execute') void this.#execute(message.cell);
    else pristine(() => this.#handle(message));
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
    this.#post({ type: 'input', parent: this.#contexts.current.parent, prompt: `${prompt}`, password, answer });
    Atomics.wait(header, 0, InputState.waiting);
    const [state = 0, length = 0] = header;
    if (state === InputState.interrupted) throw new KeyboardInterrupt();
    if (state === InputState.unsupported) {
      throw new Error('this front end does not allow input: give the value in the cell instead');
    }
    return Buffer.from(new Uint8Array(answer, INPUT_HEADER_BYTES, length)).toString();
  }

  #handle(message: Exclude<ToUser, { type: 'execute' }>): void {
    switch (message.type) {
      case 'interrupt':
        this.#set(CellState.isInterrupted, false);
        if (this.#running) this.#interruptRunning(message.isRepeat);
        else this.#post({ type: 'gone', parent: message.parent });
        Atomics.store(message.acknowledged, 0, 1);
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

  /** Runs a cell. Its own code sees what cells have made of the built-ins; all else here runs with the kernel's own. */
  async #execute(cell: Cell): Promise<void> {
    const running = pristine(() => this.#begin(cell));
    const { context, interrupted } = running;
    let result: ExecutionResult;
    try {
      const { name, converted } = cell;
      const ran = await orInterrupted(this.#cells.run(name, converted, this.#modules), interrupted);
      const outcome = ran as Outcome;
      if (!outcome.ok) throw outcome.error;
      const value = await orInterrupted(outcome.value, interrupted);
      await this.#settleDeferred(running);
      result = value === undefined ? { ok: true } : await this.#shown(value, interrupted);
    } catch (error) {
      // What was displayed before the error is shown before it.
      if (context.stops === 0) await this.#settleQuietly(running);
      result = { ok: false, error: this.#errors.report(error) };
    }
    pristine(() => this.#finish(context, result));
  }

  #begin({ parent, name, converted, maps, files }: Cell): Running {
    const context = this.#contexts.begin(parent);
    if (maps.length > 0) this.#errors.addCell(name, this.#cells.prefixOf(converted), maps);
    this.#modules.begin(files);
    let reject: Running['reject'] = () => {};
    const interrupted = new OwnPromise<never>((_, refuse) => {
      reject = refuse;
    });
    interrupted.catch(() => {});
    const running = { context, interrupted, reject, deferred: [], closeTensors: markTensorEngine() };
    this.#set(CellState.isInterrupted, false);
    this.#set(CellState.usesTensors, false);
    this.#set(CellState.isTerminated, false);
    this.#set(CellState.isRunning, true);
    this.#running = running;
    return running;
  }

  async #shown(value: unknown, interrupted: Promise<never>): Promise<ExecutionResult> {
    const bundle = toMimeBundle(value);
    const { data, metadata } = (
      bundle instanceof OwnPromise ? await orInterrupted(bundle, interrupted) : bundle
    ) as Awaited<typeof bundle>;
    return bare(keys(data).length > 0 ? { ok: true, data, metadata } : { ok: true });
  }

  /** Ends the running cell, once. */
  #finish(context: Context, result: ExecutionResult): void {
    if (this.#running?.context !== context) return;
    this.#set(CellState.isRunning, false);
    if (!result.ok) this.#running.closeTensors();
    this.#running = null;
    this.#streams.flush();
    this.#post({ type: 'done', parent: context.parent, result: this.#encoded(result) });
  }

  /** A result that has no JSON is an error of the cell. */
  #encoded(result: ExecutionResult): string {
    try {
      return toJson(result);
    } catch (error) {
      return toJson({ ok: false, error: this.#errors.report(error) });
    }
  }

  /** Waits for everything that the cell deferred, and for what that defers in turn. */
  async #settleDeferred({ deferred, interrupted }: Running): Promise<void> {
    for (let batch = deferred.splice(0); batch.length > 0; batch = deferred.splice(0)) {
      for (const work of batch) await orInterrupted(work, interrupted);
    }
  }

  async #settleQuietly(running: Running): Promise<void> {
    try {
      await this.#settleDeferred(running);
    } catch {
      // The cell has an error already.
    }
  }

  /** What a comm message causes belongs to it; a cell that runs meanwhile keeps its own output. */
  #receiveComm({ parent, messageType, content, metadata, buffers }: ToUser & { type: 'comm' }): void {
    const context = this.#contexts;
    context.cause(parent, this.#running === null, () => this.comms.receive(messageType, content, metadata, buffers));
  }

  /** Reads built-in names once, unless a cell is running. A library that fails to load shows when a cell uses it. */
  #warm(names: readonly string[]): void {
    if (this.#running) return;
    try {
      for (const name of names) void this.#builtIns[name];
    } catch {
      // The same error comes again in the cell that reads the name.
    }
  }

  /** Ends a cell that computes with tensors between two of their operations. */
  #checkInterrupt(): void {
    this.#set(CellState.usesTensors, true);
    if (!this.#running || loadState(this.#cellState, CellState.isInterrupted) === 0) return;
    this.#set(CellState.isInterrupted, false);
    throw new KeyboardInterrupt();
  }

  #set(place: number, on: boolean): void {
    storeState(this.#cellState, place, on ? 1 : 0);
  }

  /**
   * The cell's own code ends by its waits and reports itself. The timer reports it where that takes too long, and
   * where V8's termination, which may come as late as a native call returns, ended the code of this class as well.
   */
  #interruptRunning(mayBeSame: boolean): void {
    const running = this.#running;
    if (!running) return;
    const { context, reject } = running;
    const reason = new KeyboardInterrupt();
    const usesTensors = loadState(this.#cellState, CellState.usesTensors) === 1;
    const from = Date.now();
    const report = (): void => {
      if (this.#running !== running) return;
      const mayFinish = context.stops === 1 && context.finishing > 0 && Date.now() - from < REPORT_FINALLY_WITHIN_MS;
      if (mayFinish) {
        later(report, LOOK_EVERY_MS);
        return;
      }
      reject(reason);
      this.#finish(context, { ok: false, error: this.#errors.report(reason) });
    };
    later(report, usesTensors ? REPORT_TENSORS_WITHIN_MS : REPORT_WITHIN_MS);
    // The server sends SIGINT, and asks again, where it has not heard of an answer: one interrupt counts once.
    if (mayBeSame && context.stops > 0 && from - this.#stoppedAt < SAME_WITHIN_MS) return;
    this.#stoppedAt = from;
    context.stop(reason);
  }

  /** An error that nobody caught, in the output of the cell whose timer threw it. */
  #reportLate(kind: string, error: unknown): void {
    pristine(() => {
      const lines = this.#errors.report(error).traceback.join('\n');
      this.#contexts.within(this.#contexts.takeFailed(), () => this.#streams.write('stderr', `${kind}: ${lines}\n`));
    });
  }

  #publish(messageType: string, content: Json, metadata: Json = {}, buffers: Uint8Array[] = []): void {
    if (messageType !== 'stream') this.#streams.flush();
    const [text, more] = [toJson(content), toJson(metadata)];
    const { parent } = this.#contexts.current;
    this.#post({ type: 'iopub', parent, messageType, content: text, metadata: more, buffers });
  }
}

/** Settles as `value` does, or rejects with an interrupt that comes first. */
function orInterrupted(value: unknown, interrupted: Promise<never>): Promise<unknown> {
  return new OwnPromise((resolve, reject) => {
    void follow(value, resolve, reject);
    void follow(interrupted, resolve, reject);
  });
}
