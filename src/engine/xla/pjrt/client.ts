/** A PJRT client: the devices of a plugin, data on them, and executables. Data and executables are known by pointers. */
import type { ElementType, Pointers, TensorArray } from '../../graph/index.ts';
import type { Pointer } from '../../native.ts';
import { addressOf, bytesAt, type PjrtApi, Struct, textAt, wordAt } from './api.ts';

/** `PJRT_Buffer_Type` of each element type. */
const elementCode: Readonly<Record<ElementType, number>> = { bool: 1, int32: 4, int64: 5, float32: 11, float64: 12 };

/** Data may be changed by us as soon as the call that uploads it has returned. */
const immutableDuringCall = 0;

/** CompileOptionsProto { executable_build_options 3 { num_replicas 4: 1, num_partitions 5: 1 } } */
const compileOptions = Buffer.from([0x1a, 4, 0x20, 1, 0x28, 1]);

/** The format of programs: StableHLO as text or bytecode. */
const format = Buffer.from('mlir', 'latin1');

/** What an executable wants of its calls. */
export interface CallShape {
  readonly inputs: number;
  readonly outputs: number;
}

export class PjrtClient {
  readonly api: PjrtApi;
  /** `cpu`, `cuda`, `tpu`. */
  readonly platform: string;
  readonly platformVersion: string;
  /** What the first device is, for example `NVIDIA H100 80GB HBM3`. */
  readonly deviceKind: string;
  readonly deviceCount: number;
  readonly #client: Pointer;
  readonly #device: Pointer;
  readonly #dimensions = new BigInt64Array(64);
  readonly #dimensionsAddress = addressOf(this.#dimensions);

  constructor(api: PjrtApi) {
    this.api = api;
    this.#client = api.call('PJRT_Client_Create', []).field(6);
    this.platform = this.#text('PJRT_Client_PlatformName', this.#client);
    this.platformVersion = this.#text('PJRT_Client_PlatformVersion', this.#client);
    const devices = api.call('PJRT_Client_AddressableDevices', [this.#client]);
    this.deviceCount = devices.field(2);
    this.#device = wordAt(devices.field(1));
    const description = api.call('PJRT_Device_GetDescription', [this.#device]).field(1);
    this.deviceKind = this.#text('PJRT_DeviceDescription_Kind', description);
  }

  #text(name: Parameters<PjrtApi['call']>[0], of: Pointer): string {
    const answer = this.api.call(name, [of]);
    return textAt(answer.field(1), answer.field(2));
  }

  /** New data on the device with the content of `data`; the caller releases it. */
  upload(dtype: ElementType, shape: readonly number[], data: TensorArray): Pointer {
    for (let i = 0; i < shape.length; i++) this.#dimensions[i] = BigInt(shape[i]!);
    const what = [addressOf(data), elementCode[dtype], this.#dimensionsAddress, shape.length];
    const given = [this.#client, ...what, 0, 0, immutableDuringCall, this.#device];
    const answer = this.api.call('PJRT_Client_BufferFromHostBuffer', given, [data]);
    this.#dropEvent(answer.field(11));
    return answer.field(12);
  }

  /** Waits for the data and copies it into `target`. Throws what went wrong in the run that should have made it. */
  download(buffer: Pointer, target: TensorArray): void {
    const given = [buffer, 0, addressOf(target), target.byteLength];
    this.#await(this.api.call('PJRT_Buffer_ToHostBuffer', given, [target]).field(4), target);
  }

  /** Waits until the data is computed. */
  wait(buffer: Pointer): void {
    this.#await(this.api.call('PJRT_Buffer_ReadyEvent', [buffer]).field(1));
  }

  release(buffer: Pointer): void {
    this.api.call('PJRT_Buffer_Destroy', [buffer]);
  }

  #dropEvent(event: Pointer): void {
    if (event !== 0) this.api.call('PJRT_Event_Destroy', [event]);
  }

  /** `target` is written until the event has come. */
  #await(event: Pointer, target?: TensorArray): void {
    if (event === 0) return;
    try {
      this.api.call('PJRT_Event_Await', [event], target && [target]);
    } finally {
      this.#dropEvent(event);
    }
  }

  /** Compiles StableHLO text. Throws what the compiler says. */
  compile(program: string): Pointer {
    const code = Buffer.from(`${program}\0`, 'latin1'); // the parser reads on until a zero
    const described = new Struct(4, [addressOf(code), code.length - 1, addressOf(format), format.length]);
    const { length } = compileOptions;
    const given = [this.#client, addressOf(described.buffer), addressOf(compileOptions), length];
    return this.api.call('PJRT_Client_Compile', given, [code, described.buffer]).field(4);
  }

  /** An executable as bytes that `load` of the same plugin takes. */
  serialize(loaded: Pointer): Uint8Array {
    const executable = this.api.call('PJRT_LoadedExecutable_GetExecutable', [loaded]).field(1);
    try {
      const answer = this.api.call('PJRT_Executable_Serialize', [executable]);
      const bytes = bytesAt(answer.field(1), answer.field(2));
      this.api.callDeleter(answer.field(4), answer.field(3));
      return bytes;
    } finally {
      this.api.call('PJRT_Executable_Destroy', [executable]);
    }
  }

  load(bytes: Uint8Array): Pointer {
    const given = [this.#client, addressOf(bytes), bytes.length];
    return this.api.call('PJRT_Executable_DeserializeAndLoad', given, [bytes]).field(3);
  }

  releaseExecutable(loaded: Pointer): void {
    this.api.call('PJRT_LoadedExecutable_Destroy', [loaded]);
  }

  /** A call of an executable, ready to be made again and again without a new struct. */
  prepare(loaded: Pointer, { inputs, outputs }: CallShape): PreparedCall {
    return new PreparedCall(this.api, loaded, inputs, outputs);
  }
}

/** Words of `PJRT_ExecuteOptions` and where the inputs that must be kept are told. */
const optionWords = 12;
const keptAddress = 5;
const keptCount = 6;

/** Everything that one execution hands over, in memory of its own. */
export class PreparedCall {
  readonly #api: PjrtApi;
  readonly #call: Struct;
  readonly #options = new Struct(optionWords);
  readonly #inputs: BigUint64Array;
  readonly #outputs: BigUint64Array;
  readonly #kept: BigInt64Array;
  /** The lists of the one device. */
  readonly #lists = new BigUint64Array(2);
  readonly #inputWords: Uint32Array;
  readonly #outputWords: Uint32Array;

  constructor(api: PjrtApi, loaded: Pointer, inputs: number, outputs: number) {
    this.#api = api;
    this.#inputs = new BigUint64Array(Math.max(1, inputs));
    this.#outputs = new BigUint64Array(Math.max(1, outputs));
    this.#kept = new BigInt64Array(Math.max(1, inputs));
    this.#inputWords = new Uint32Array(this.#inputs.buffer, 0, 2 * inputs);
    this.#outputWords = new Uint32Array(this.#outputs.buffer, 0, 2 * outputs);
    this.#lists[0] = BigInt(addressOf(this.#inputs));
    this.#lists[1] = BigInt(addressOf(this.#outputs));
    const lists = addressOf(this.#lists);
    this.#options.setField(keptAddress, addressOf(this.#kept));
    this.#call = new Struct(8, [loaded, addressOf(this.#options.buffer), lists, 1, inputs, lists + 8]);
  }

  /** Starts the execution. `kept` lists the inputs whose data must not be given away. */
  execute(given: Pointers, kept: readonly number[]): void {
    this.#inputWords.set(given.buffer.subarray(0, this.#inputWords.length));
    for (let i = 0; i < kept.length; i++) this.#kept[i] = BigInt(kept[i]!);
    this.#options.setField(keptCount, kept.length);
    this.#api.recall('PJRT_LoadedExecutable_Execute', this.#call);
  }

  /** Puts the first `count` results of the execution into `made`. */
  results(made: Pointers, count: number): void {
    made.buffer.set(this.#outputWords.subarray(0, 2 * count));
  }

  result(index: number): Pointer {
    return Number(this.#outputs[index]!);
  }
}
