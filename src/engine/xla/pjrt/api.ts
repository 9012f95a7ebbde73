/**
 * The PJRT C API (openxla/xla, xla/pjrt/c/pjrt_c_api.h): XLA's compiler and run time behind one function,
 * `GetPjrtApi`, that returns a table of functions. Each takes a struct and returns an error or null. Structs and table
 * begin with their size and only grow at their end, so a function is there if the table's size reaches it.
 *
 * All fields that are used here take 8 bytes each; 4-byte ones are padded to 8.
 */
import koffi from 'koffi';
import { Pointers } from '../../graph/index.ts';
import { openLibrary, type Pointer } from '../../native.ts';

/** The functions used here: position in the table, and fields of the struct after its size and its extensions. */
const functions = {
  PJRT_Error_Destroy: [0, 1],
  PJRT_Error_Message: [1, 3],
  PJRT_Plugin_Initialize: [3, 0],
  PJRT_Event_Destroy: [5, 1],
  PJRT_Event_Await: [8, 1],
  PJRT_Client_Create: [10, 9],
  PJRT_Client_PlatformName: [12, 3],
  PJRT_Client_PlatformVersion: [14, 3],
  PJRT_Client_AddressableDevices: [16, 3],
  PJRT_Client_Compile: [20, 5],
  PJRT_Client_BufferFromHostBuffer: [22, 13],
  PJRT_DeviceDescription_Kind: [26, 3],
  PJRT_Device_GetDescription: [29, 2],
  PJRT_Executable_Destroy: [40, 1],
  PJRT_Executable_Serialize: [49, 5],
  PJRT_LoadedExecutable_Destroy: [50, 1],
  PJRT_LoadedExecutable_GetExecutable: [51, 2],
  PJRT_LoadedExecutable_Execute: [55, 8],
  PJRT_Executable_DeserializeAndLoad: [56, 6],
  PJRT_Buffer_Destroy: [58, 1],
  PJRT_Buffer_ToHostBuffer: [70, 5],
  PJRT_Buffer_ReadyEvent: [72, 2],
} as const;

export type PjrtFunction = keyof typeof functions;

/** The major version whose structs these are; the oldest minor version tried is that of `xla-cpu-pjrt` 0.0.1. */
export const wantedVersion = { major: 0, minor: 81 } as const;

/** Bytes of the table before its first function: size, extensions, version (size, extensions, major, minor). */
const tableHead = 40;
const lastSlot = Math.max(...Object.values(functions).map(([slot]) => slot));
const structHead = 2;

/** Throws where a plugin's version or table is not what is used here. */
export function checkVersion(path: string, major: number, minor: number, tableBytes: number): void {
  const wanted = tableHead + 8 * (lastSlot + 1);
  const isOld = minor < wantedVersion.minor || tableBytes < wanted;
  if (major === wantedVersion.major && !isOld) return;
  throw new Error(
    `engine xla: the plugin ${path} has PJRT API ${major}.${minor} with a table of ${tableBytes} bytes; wanted ` +
      `${wantedVersion.major}.${wantedVersion.minor} or newer within ${wantedVersion.major}, and at least ${wanted} ` +
      'bytes. Run: reward-forcing engine install xla',
  );
}

/** Characters of XLA's text that an error keeps: the compiler may quote a whole program. */
const longestText = 4000;

/** An error that XLA reports, with its own text. */
export class XlaError extends Error {
  override readonly name = 'XlaError';
}

/** A word of 8 bytes at an address, as a number. */
export function wordAt(address: Pointer): number {
  return Number(koffi.decode(BigInt(address), 'uint64_t') as number | bigint);
}

/** Bytes at an address, copied. */
export function bytesAt(address: Pointer, length: number): Uint8Array {
  if (length === 0) return new Uint8Array(0);
  return Uint8Array.from(koffi.decode(BigInt(address), koffi.array('uint8_t', length, 'Typed')) as Uint8Array);
}

export function textAt(address: Pointer, length: number): string {
  return Buffer.from(bytesAt(address, length)).toString('utf8');
}

/** The address of memory of JavaScript, which holds while the array lives. */
export function addressOf(array: ArrayBufferView): Pointer {
  return Number(koffi.address(array));
}

/** The functions of a plugin, loaded for the rest of the process. */
export class PjrtApi {
  readonly path: string;
  /** Of the API, for example `0.115`. */
  readonly version: string;
  readonly #functions: Readonly<Record<string, (args: Uint32Array) => Pointer>>;
  /** Memory that the call under way reads or writes: here, so that it is not collected meanwhile. */
  lent: readonly ArrayBufferView[] = [];

  constructor(path: string) {
    this.path = path;
    const library = openLibrary('xla', path, 'Run: reward-forcing engine install xla');
    let table: Pointer;
    try {
      table = Number(library.func('GetPjrtApi', 'uint64_t', [])());
    } catch (cause) {
      throw new Error(
        `engine xla: ${path} is no PJRT plugin: it has no function GetPjrtApi. Run: reward-forcing engine install xla`,
        { cause },
      );
    }
    const [major, minor] = koffi.decode(BigInt(table + 32), koffi.array('int32_t', 2)) as unknown as [number, number];
    checkVersion(path, major, minor, wordAt(table));
    this.version = `${major}.${minor}`;
    this.#functions = bind(table);
    this.call('PJRT_Plugin_Initialize', []);
  }

  /**
   * Calls a function; returns its struct, whose fields begin at 0 in `field`. `lent` are the arrays that the fields
   * point to: they stay alive during the call. Throws an XlaError with XLA's text.
   */
  call(name: PjrtFunction, fields: readonly number[], lent: readonly ArrayBufferView[] = []): Struct {
    const struct = new Struct(functions[name][1], fields);
    this.lent = lent;
    this.check(name, this.#functions[name]!(struct.buffer));
    return struct;
  }

  /** Calls a function with a struct that is used again and again. */
  recall(name: PjrtFunction, struct: Struct): void {
    const error = this.#functions[name]!(struct.buffer);
    if (error !== 0) this.check(name, error);
  }

  /** Calls a function that a struct brought along to free what the struct points to. */
  callDeleter(deleter: Pointer, target: Pointer): void {
    koffi.call(BigInt(deleter), koffi.proto('void (void *target)'), BigInt(target));
  }

  check(name: PjrtFunction, error: Pointer): void {
    if (error === 0) return;
    const message = new Struct(3, [error]);
    this.#functions['PJRT_Error_Message']!(message.buffer);
    const text = textAt(message.field(1), message.field(2));
    this.#functions['PJRT_Error_Destroy']!(new Struct(1, [error]).buffer);
    throw new XlaError(`${name}: ${text.trim().slice(0, longestText)}`);
  }
}

function bind(table: Pointer): Record<string, (args: Uint32Array) => Pointer> {
  const bound: Record<string, (args: Uint32Array) => Pointer> = {};
  const proto = koffi.proto('uint64_t PjrtFunction(void *args)');
  for (const [name, [slot]] of Object.entries(functions)) {
    bound[name] = koffi.decode(BigInt(wordAt(table + tableHead + 8 * slot)), proto) as never;
  }
  return bound;
}

/** The struct of a call: its size, no extensions, then fields of 8 bytes. */
export class Struct extends Pointers {
  constructor(fields: number, values: readonly number[] = []) {
    super(structHead + fields);
    this.set(0, 8 * (structHead + fields));
    values.forEach((value, i) => {
      this.set(structHead + i, value);
    });
  }

  field(index: number): number {
    return this.get(structHead + index);
  }

  setField(index: number, value: number): void {
    this.set(structHead + index, value);
  }
}
