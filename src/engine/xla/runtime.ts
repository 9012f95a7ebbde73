/** A PJRT plugin as the recorder needs it: programs lowered and compiled, data on the device, runs that nobody waits for. */
import type { Precision } from '../engine.ts';
import {
  arrayOf,
  type ElementType,
  type Executable,
  type GraphRuntime,
  type Pointers,
  type Program,
  sizeOf,
  type TensorArray,
  type TensorType,
} from '../graph/index.ts';
import { lowerProgram } from './lower/module.ts';
import { XlaError } from './pjrt/api.ts';
import type { PjrtClient, PreparedCall } from './pjrt/client.ts';
import type { ExecutableStore } from './store.ts';

/** XLA's message without the function of the C API; memory that is not there in plain words. */
function explained(error: unknown): Error {
  if (!(error instanceof XlaError)) return error as Error;
  const text = error.message.replace(/^PJRT_\w+: /, '');
  if (!/RESOURCE_EXHAUSTED|out of memory/i.test(text)) return new Error(`XLA: ${text}`, { cause: error });
  const help = 'use smaller batches or fewer frames, and dispose of tensors that are not needed';
  return new Error(`XLA: out of memory; ${help} (${text})`, { cause: error });
}

function explaining<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explained(error);
  }
}

export class XlaRuntime implements GraphRuntime {
  readonly name = 'xla';
  readonly channelBlock = 0;
  readonly donates = true;
  readonly client: PjrtClient;
  /** Values on the device that have not been released. */
  held = 0;
  /** Hears how long each run took; runs are waited for while it is set. */
  onRun: ((ms: number) => void) | null = null;
  readonly #compute: Precision;
  readonly #store: ExecutableStore | null;
  readonly #truth = new Uint8Array(1);

  constructor(client: PjrtClient, compute: Precision, store: ExecutableStore | null) {
    this.client = client;
    this.#compute = compute;
    this.#store = store;
  }

  compile(program: Program): Executable {
    const { text, donors, hasAlarm } = lowerProgram(program, this.#compute);
    const loaded = explaining(() => this.#load(text));
    const [inputs, outputs] = [program.inputs.length, program.outputs.length];
    const call = this.client.prepare(loaded, { inputs, outputs: outputs + (hasAlarm ? 1 : 0) });
    return {
      run: (given, made, spent) => {
        const kept = donors.filter((input) => !spent[input]);
        const start = this.onRun ? performance.now() : 0;
        explaining(() => call.execute(given, kept));
        call.results(made, outputs);
        this.held += outputs;
        if (this.onRun) this.#timed(made, outputs, start, this.onRun);
        if (hasAlarm) this.#checkAlarm(call, made, outputs);
      },
      release: () => this.client.releaseExecutable(loaded),
    };
  }

  #timed(made: Pointers, outputs: number, start: number, onRun: (ms: number) => void): void {
    for (let i = 0; i < outputs; i++) this.client.wait(made.get(i));
    onRun(performance.now() - start);
  }

  /** The executable of a program: of the store, or compiled and stored. */
  #load(text: string): number {
    const { client } = this;
    const stored = this.#store?.find(text, (bytes) => client.load(bytes));
    if (stored !== undefined) return stored;
    const start = performance.now();
    const loaded = client.compile(text);
    this.#store?.keep(text, performance.now() - start, () => client.serialize(loaded));
    return loaded;
  }

  /** Waits for the truth behind the outputs. Throws, without the outputs, when a position lay outside. */
  #checkAlarm(call: PreparedCall, made: Pointers, outputs: number): void {
    const alarm = call.result(outputs);
    try {
      explaining(() => this.client.download(alarm, this.#truth));
    } finally {
      this.client.release(alarm);
    }
    if (this.#truth[0] === 0) return;
    for (let i = 0; i < outputs; i++) this.releaseValue(made.get(i));
    throw new Error('a position is out of the range of the axis that it indexes');
  }

  createValue(dtype: ElementType, shape: readonly number[], data: TensorArray): number {
    this.held++;
    return explaining(() => this.client.upload(dtype, shape, data));
  }

  readValue(pointer: number, dtype: TensorType, shape: readonly number[]): TensorArray {
    const target = arrayOf(dtype, sizeOf(shape));
    if (target.byteLength > 0) explaining(() => this.client.download(pointer, target));
    return target;
  }

  releaseValue(pointer: number): void {
    this.held--;
    this.client.release(pointer);
  }
}
