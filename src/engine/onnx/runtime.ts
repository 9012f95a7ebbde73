/**
 * ONNX Runtime as the recorder needs it: sessions from programs, values from arrays, one synchronous Run. One
 * environment with one thread pool serves the whole process.
 */
import { availableParallelism } from 'node:os';
import {
  arrayOf,
  type ElementType,
  type Executable,
  type GraphRuntime,
  type Program,
  Recorder,
  sizeOf,
  type TensorArray,
  type TensorType,
  Value,
} from '../graph/index.ts';
import { elementCode, encodeProgram, nameOf } from './encode.ts';
import { loadNative, type NativeApi } from './native.ts';

export interface RuntimeOptions {
  /**
   * Threads to compute on; results are the same at the same number.
   *
   * @defaultValue what the machine offers, at most 16
   */
  threads?: number;
  /** Workers spin while they wait: faster steps, a busy core. @defaultValue true */
  spin?: boolean;
}

/** Sessions that write a profile now, and the files of those that have ended. */
interface RunningProfile {
  readonly prefix: string;
  readonly sessions: Set<number>;
  readonly files: string[];
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

export class OnnxRuntime implements GraphRuntime {
  readonly name = 'onnx';
  readonly threads: number;
  readonly spin: boolean;
  readonly version: string;
  readonly #api: NativeApi;
  readonly #environment: number;
  readonly #allocator: number;
  readonly #out: [number] = [0];
  readonly #dimensions = new BigInt64Array(16);
  #profile: RunningProfile | null = null;
  #profileCount = 0;
  #channelBlock: number | undefined;

  constructor(options: RuntimeOptions) {
    this.#api = loadNative();
    this.version = this.#api.version;
    this.threads = options.threads ?? Math.min(16, availableParallelism());
    this.spin = options.spin ?? true;
    this.#environment = this.#createEnvironment();
    this.#check(this.#api.GetAllocatorWithDefaultOptions(this.#out));
    this.#allocator = this.#out[0];
    this.#check(this.#api.CreateCpuMemoryInfo(1, 0, this.#out));
    this.#check(this.#api.CreateAndRegisterAllocator(this.#environment, this.#out[0], 0));
  }

  #createEnvironment(): number {
    const [api, out] = [this.#api, this.#out];
    this.#check(api.CreateThreadingOptions(out));
    const threading = out[0];
    this.#check(api.SetGlobalIntraOpNumThreads(threading, this.threads));
    this.#check(api.SetGlobalInterOpNumThreads(threading, 1));
    this.#check(api.SetGlobalSpinControl(threading, this.spin ? 1 : 0));
    this.#check(api.SetGlobalDenormalAsZero(threading));
    const fatalOnly = 4; // errors come back as statuses and are thrown; nothing is printed
    this.#check(api.CreateEnvWithGlobalThreadPools(fatalOnly, 'reward-forcing', threading, out));
    return out[0];
  }

  #check(status: number): void {
    if (status === 0) return;
    const message = this.#api.GetErrorMessage(status);
    this.#api.ReleaseStatus(status);
    throw new Error(`ONNX Runtime: ${explained(message)}`);
  }

  #sessionOptions(): number {
    const [api, out] = [this.#api, this.#out];
    this.#check(api.CreateSessionOptions(out));
    const options = out[0];
    this.#check(api.DisablePerSessionThreads(options));
    this.#check(api.SetSessionGraphOptimizationLevel(options, noOptimisations));
    this.#check(api.DisableMemPattern(options));
    this.#check(api.AddSessionConfigEntry(options, 'session.use_env_allocators', '1'));
    this.#check(api.AddSessionConfigEntry(options, 'session.disable_prepacking', '1'));
    this.#check(api.AddSessionConfigEntry(options, 'session.set_denormal_as_zero', '1'));
    // ONNX Runtime adds the time to the second: sessions of one second need names of their own
    const profile = this.#profile;
    if (profile) this.#check(api.EnableProfiling(options, `${profile.prefix}-${this.#profileCount++}`));
    return options;
  }

  #names(list: readonly string[]): { address: number; free(): void } {
    const texts = list.map((name) => Buffer.from(`${name}\0`, 'latin1'));
    const table = new BigInt64Array(Math.max(1, list.length));
    const head = table.byteLength;
    const memory = this.#api.allocate(head + texts.reduce((sum, text) => sum + text.length, 0));
    let at = memory.address + head;
    texts.forEach((text, i) => {
      table[i] = BigInt(at);
      at += text.length;
    });
    this.#api.copyIn(memory.address, table, head);
    const joined = Buffer.concat(texts);
    if (joined.length > 0) this.#api.copyIn(memory.address + head, joined, joined.length);
    return memory;
  }

  compile(program: Program): Executable {
    const model = encodeProgram(program);
    const options = this.#sessionOptions();
    const status = this.#api.CreateSessionFromArray(this.#environment, model, model.length, options, this.#out);
    this.#api.ReleaseSessionOptions(options);
    this.#check(status);
    const session = this.#out[0];
    this.#profile?.sessions.add(session);
    // the session outlives the program, whose values must not be held
    const [inputs, outputs] = [this.#names(program.inputs.map(nameOf)), this.#names(program.outputs.map(nameOf))];
    const [inputCount, outputCount] = [program.inputs.length, program.outputs.length];
    return {
      run: ({ buffer: given }, { buffer: made }) => {
        const { Run } = this.#api;
        const status = Run(session, 0, inputs.address, given, inputCount, outputs.address, outputCount, made);
        if (status !== 0) this.#check(status);
      },
      release: () => {
        if (this.#profile?.sessions.has(session)) this.#endProfile(session, this.#profile);
        this.#api.ReleaseSession(session);
        inputs.free();
        outputs.free();
      },
    };
  }

  createValue(dtype: ElementType, shape: readonly number[], data: TensorArray): number {
    for (let i = 0; i < shape.length; i++) this.#dimensions[i] = BigInt(shape[i]!);
    this.#check(
      this.#api.CreateTensorAsOrtValue(this.#allocator, this.#dimensions, shape.length, elementCode[dtype], this.#out),
    );
    const value = this.#out[0];
    if (data.byteLength > 0) this.#api.copyIn(this.#address(value), data, data.byteLength);
    return value;
  }

  #address(value: number): number {
    this.#check(this.#api.GetTensorMutableData(value, this.#out));
    return this.#out[0];
  }

  readValue(value: number, dtype: TensorType, shape: readonly number[]): TensorArray {
    const target = arrayOf(dtype, sizeOf(shape));
    if (target.byteLength > 0) this.#api.copyOut(target, this.#address(value), target.byteLength);
    return target;
  }

  releaseValue(value: number): void {
    this.#api.ReleaseValue(value);
  }

  /** Runs `work`; every session compiled meanwhile writes a profile. Returns the files, named from `prefix` on. */
  profiled(prefix: string, work: () => void): string[] {
    const profile: RunningProfile = { prefix, sessions: new Set(), files: [] };
    this.#profile = profile;
    try {
      work();
      for (const session of profile.sessions) this.#endProfile(session, profile);
      return profile.files;
    } finally {
      this.#profile = null;
    }
  }

  #endProfile(session: number, { sessions, files }: RunningProfile): void {
    sessions.delete(session);
    this.#check(this.#api.SessionEndProfiling(session, this.#allocator, this.#out));
    const address = this.#out[0];
    files.push(this.#api.decodeString(address));
    this.#check(this.#api.AllocatorFree(this.#allocator, address));
  }

  /** 16 with AVX-512, 8 with AVX2, and none elsewhere: the first use asks the library. */
  get channelBlock(): number {
    this.#channelBlock ??= askChannelBlock(this);
    return this.#channelBlock;
  }
}

/** Reorders 16 channels of 2 pixels in a recorder of its own: where channel 0's second pixel lands is the block. */
function askChannelBlock(runtime: OnnxRuntime): number {
  const recorder = new Recorder(runtime);
  const x = new Value([1, 16, 1, 2], 'float32');
  recorder.write(
    x,
    Float32Array.from({ length: 32 }, (_, i) => i),
  );
  const blocked = recorder.add('ReorderInput', [x], null, [1, 16, 1, 2], 'float32');
  blocked.refs = 1;
  recorder.flush();
  const second = blocked.error ? -1 : recorder.read(blocked).indexOf(1);
  for (const value of [x, blocked]) recorder.free(value);
  recorder.executables.clear();
  return second === 16 || second === 8 ? second : 0;
}
