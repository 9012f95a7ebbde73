/**
 * ONNX Runtime as the recorder needs it: sessions from model bytes, values from arrays, one synchronous Run.
 * One environment with one thread pool serves the whole process.
 */
import { availableParallelism } from 'node:os';
import { loadNative, type NativeApi } from './native.ts';
import { arrayOf, type ElementType, onnxCode, sizeOf, type TensorArray, type TensorType } from './value.ts';

/** Options of the runtime; all are fixed by the first use in a process. */
export interface RuntimeOptions {
  /** Threads of the one pool; default: what the machine offers, at most 16. */
  threads?: number;
  /** Workers spin while they wait: faster steps, a busy core. Default true. */
  spin?: boolean;
}

/** A compiled graph and the C arrays of its input and output names. */
export interface Session {
  readonly pointer: number;
  readonly inputNames: number;
  readonly outputNames: number;
  readonly inputCount: number;
  readonly outputCount: number;
  release(): void;
}

/** An array of pointers for the C side that grows to the length asked for. */
export class Pointers {
  buffer: Uint32Array;

  constructor(length: number) {
    this.buffer = new Uint32Array(2 * Math.max(1, length));
  }

  /** Makes room for `length` pointers, all zero. */
  reset(length: number): void {
    if (this.buffer.length < 2 * length) this.buffer = new Uint32Array(4 * length);
    else this.buffer.fill(0, 0, 2 * length);
  }

  set(index: number, pointer: number): void {
    this.buffer[2 * index] = pointer % 4294967296;
    this.buffer[2 * index + 1] = Math.floor(pointer / 4294967296);
  }

  get(index: number): number {
    return this.buffer[2 * index + 1]! * 4294967296 + this.buffer[2 * index]!;
  }
}

/** Graphs come here with equal nodes merged; more passes would double the time of a compile and gain nothing. */
const noOptimisations = 0;

/** ONNX Runtime's message without the places in its own sources; memory that is not there in plain words. */
function explained(message: string): string {
  const [, bytes] = /allocate memory for requested buffer of size (\d+)/.exec(message) ?? [];
  if (bytes !== undefined || /bad.?alloc/.test(message)) {
    const amount = bytes === undefined ? '' : `, ${Math.ceil(Number(bytes) / 2 ** 20)} MiB were asked for at once`;
    return `out of memory${amount}; use smaller batches or fewer frames, and dispose of tensors that are not needed`;
  }
  const [, told] = /Status Message: (?:\S*onnxruntime_src\S* )?(.*)$/s.exec(message) ?? [];
  return (told ?? message).trim();
}

export class Runtime {
  readonly threads: number;
  readonly version: string;
  private readonly api: NativeApi;
  private readonly environment: number;
  private readonly allocator: number;
  private readonly out: [number] = [0];
  private readonly dimensions = new BigInt64Array(16);
  private profilePrefix: string | null = null;
  private profiled = 0;

  constructor(options: RuntimeOptions) {
    this.api = loadNative();
    this.version = this.api.version;
    this.threads = options.threads ?? Math.min(16, availableParallelism());
    this.environment = this.createEnvironment(options.spin ?? true);
    this.check(this.api.GetAllocatorWithDefaultOptions(this.out));
    this.allocator = this.out[0];
    this.check(this.api.CreateCpuMemoryInfo(1, 0, this.out));
    this.check(this.api.CreateAndRegisterAllocator(this.environment, this.out[0], 0));
  }

  private createEnvironment(spin: boolean): number {
    const { api, out } = this;
    this.check(api.CreateThreadingOptions(out));
    const threading = out[0];
    this.check(api.SetGlobalIntraOpNumThreads(threading, this.threads));
    this.check(api.SetGlobalInterOpNumThreads(threading, 1));
    this.check(api.SetGlobalSpinControl(threading, spin ? 1 : 0));
    this.check(api.SetGlobalDenormalAsZero(threading));
    const fatalOnly = 4; // errors come back as statuses and are thrown; nothing is printed
    this.check(api.CreateEnvWithGlobalThreadPools(fatalOnly, 'reward-forcing', threading, out));
    return out[0];
  }

  private check(status: number): void {
    if (status === 0) return;
    const message = this.api.GetErrorMessage(status);
    this.api.ReleaseStatus(status);
    throw new Error(`ONNX Runtime: ${explained(message)}`);
  }

  private sessionOptions(): number {
    const { api, out } = this;
    this.check(api.CreateSessionOptions(out));
    const options = out[0];
    this.check(api.DisablePerSessionThreads(options));
    this.check(api.SetSessionGraphOptimizationLevel(options, noOptimisations));
    this.check(api.DisableMemPattern(options));
    this.check(api.AddSessionConfigEntry(options, 'session.use_env_allocators', '1'));
    this.check(api.AddSessionConfigEntry(options, 'session.disable_prepacking', '1'));
    this.check(api.AddSessionConfigEntry(options, 'session.set_denormal_as_zero', '1'));
    // ONNX Runtime adds the time to the second: sessions of one second need names of their own
    const prefix = this.profilePrefix;
    if (prefix !== null) this.check(api.EnableProfiling(options, `${prefix}-${this.profiled++}`));
    return options;
  }

  private names(list: readonly string[]): { address: number; free(): void } {
    const texts = list.map((name) => Buffer.from(`${name}\0`, 'latin1'));
    const table = new BigInt64Array(Math.max(1, list.length));
    const head = table.byteLength;
    const memory = this.api.allocate(head + texts.reduce((sum, text) => sum + text.length, 0));
    let at = memory.address + head;
    texts.forEach((text, i) => {
      table[i] = BigInt(at);
      at += text.length;
    });
    this.api.copyIn(memory.address, table, head);
    const joined = Buffer.concat(texts);
    if (joined.length > 0) this.api.copyIn(memory.address + head, joined, joined.length);
    return memory;
  }

  /** Compiles a model. Throws what ONNX Runtime says when it refuses the graph. */
  createSession(model: Uint8Array, inputs: readonly string[], outputs: readonly string[]): Session {
    const options = this.sessionOptions();
    const status = this.api.CreateSessionFromArray(this.environment, model, model.length, options, this.out);
    this.api.ReleaseSessionOptions(options);
    this.check(status);
    const pointer = this.out[0];
    const inputNames = this.names(inputs);
    const outputNames = this.names(outputs);
    return {
      pointer,
      inputNames: inputNames.address,
      outputNames: outputNames.address,
      inputCount: inputs.length,
      outputCount: outputs.length,
      release: () => {
        this.api.ReleaseSession(pointer);
        inputNames.free();
        outputNames.free();
      },
    };
  }

  /** Runs a session; `outputs` must be zero and receives new values that the caller owns. */
  run(session: Session, inputs: Pointers, outputs: Pointers): void {
    const status = this.api.Run(
      session.pointer,
      0,
      session.inputNames,
      inputs.buffer,
      session.inputCount,
      session.outputNames,
      session.outputCount,
      outputs.buffer,
    );
    if (status !== 0) this.check(status);
  }

  /** A new value holding `data`; the caller releases it. */
  createValue(dtype: ElementType, shape: readonly number[], data: TensorArray): number {
    for (let i = 0; i < shape.length; i++) this.dimensions[i] = BigInt(shape[i]!);
    this.check(
      this.api.CreateTensorAsOrtValue(this.allocator, this.dimensions, shape.length, onnxCode[dtype], this.out),
    );
    const value = this.out[0];
    if (data.byteLength > 0) this.api.copyIn(this.address(value), data, data.byteLength);
    return value;
  }

  private address(value: number): number {
    this.check(this.api.GetTensorMutableData(value, this.out));
    return this.out[0];
  }

  readValue(value: number, dtype: TensorType, shape: readonly number[]): TensorArray {
    const target = arrayOf(dtype, sizeOf(shape));
    if (target.byteLength > 0) this.api.copyOut(target, this.address(value), target.byteLength);
    return target;
  }

  releaseValue(value: number): void {
    this.api.ReleaseValue(value);
  }

  /** Sessions created from now on write a profile each (`prefix` of the file's name), or no longer when null. */
  profileNewSessions(prefix: string | null): void {
    this.profilePrefix = prefix;
  }

  /** Ends a session's profile and returns the file it was written to. */
  endProfile(session: Session): string {
    this.check(this.api.SessionEndProfiling(session.pointer, this.allocator, this.out));
    const address = this.out[0];
    const file = this.api.decodeString(address);
    this.check(this.api.AllocatorFree(this.allocator, address));
    return file;
  }
}
