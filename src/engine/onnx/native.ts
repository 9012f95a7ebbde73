/**
 * The ONNX Runtime library and the C functions used, bound through koffi. Opaque pointers travel as plain
 * numbers (user-space addresses fit in 53 bits). Loading happens in `loadNative`, never on import.
 */
import koffi from 'koffi';
import { openLibrary, presetVariable } from '../native.ts';
import { findRuntime, installCommand } from './library.ts';

/**
 * Positions of the functions used here in ONNX Runtime's `OrtApi` struct (include/onnxruntime/core/session/
 * onnxruntime_c_api.h). The struct only grows at its end, so a position holds for every later release.
 */
const slots = {
  GetErrorMessage: 2,
  CreateSessionFromArray: 8,
  Run: 9,
  CreateSessionOptions: 10,
  EnableProfiling: 14,
  DisableMemPattern: 17,
  SetSessionGraphOptimizationLevel: 23,
  CreateTensorAsOrtValue: 48,
  GetTensorMutableData: 51,
  CreateCpuMemoryInfo: 69,
  AllocatorFree: 76,
  GetAllocatorWithDefaultOptions: 78,
  ReleaseStatus: 93,
  ReleaseSession: 95,
  ReleaseValue: 96,
  ReleaseSessionOptions: 100,
  SessionEndProfiling: 110,
  CreateEnvWithGlobalThreadPools: 119,
  DisablePerSessionThreads: 120,
  CreateThreadingOptions: 121,
  AddSessionConfigEntry: 130,
  CreateAndRegisterAllocator: 144,
  SetGlobalIntraOpNumThreads: 147,
  SetGlobalInterOpNumThreads: 148,
  SetGlobalSpinControl: 149,
  SetGlobalDenormalAsZero: 155,
} as const;

/** Length of the table to read, and the version of the C API to ask for. */
const tableLength = 160;
const apiVersion = 20;

type Pointer = number;
type Status = number;
type Out = [number];
type OutParameter = ReturnType<typeof koffi.out>;
type CType = string | OutParameter;
type Bytes = Uint8Array | Uint32Array | BigInt64Array | Float32Array | Int32Array;

/** The C functions, with the types that koffi converts. A status of 0 is success. */
export interface NativeApi {
  readonly version: string;
  GetErrorMessage(status: Status): string;
  ReleaseStatus(status: Status): void;
  CreateThreadingOptions(out: Out): Status;
  SetGlobalIntraOpNumThreads(options: Pointer, threads: number): Status;
  SetGlobalInterOpNumThreads(options: Pointer, threads: number): Status;
  SetGlobalSpinControl(options: Pointer, spin: number): Status;
  SetGlobalDenormalAsZero(options: Pointer): Status;
  CreateEnvWithGlobalThreadPools(level: number, id: string, options: Pointer, out: Out): Status;
  CreateCpuMemoryInfo(allocator: number, memory: number, out: Out): Status;
  GetAllocatorWithDefaultOptions(out: Out): Status;
  CreateAndRegisterAllocator(env: Pointer, memory: Pointer, arena: Pointer): Status;
  AllocatorFree(allocator: Pointer, memory: Pointer): Status;
  CreateSessionOptions(out: Out): Status;
  DisablePerSessionThreads(options: Pointer): Status;
  DisableMemPattern(options: Pointer): Status;
  SetSessionGraphOptimizationLevel(options: Pointer, level: number): Status;
  AddSessionConfigEntry(options: Pointer, key: string, value: string): Status;
  EnableProfiling(options: Pointer, prefix: string): Status;
  ReleaseSessionOptions(options: Pointer): void;
  CreateSessionFromArray(env: Pointer, model: Bytes, length: number, options: Pointer, out: Out): Status;
  SessionEndProfiling(session: Pointer, allocator: Pointer, out: Out): Status;
  ReleaseSession(session: Pointer): void;
  Run(
    session: Pointer,
    options: Pointer,
    inputNames: Pointer,
    inputs: Bytes,
    inputCount: number,
    outputNames: Pointer,
    outputCount: number,
    outputs: Bytes,
  ): Status;
  CreateTensorAsOrtValue(allocator: Pointer, shape: Bytes, rank: number, type: number, out: Out): Status;
  GetTensorMutableData(value: Pointer, out: Out): Status;
  ReleaseValue(value: Pointer): void;
  /** memcpy: `koffi.view` kept freed tensors resident and is refused by some hosts. */
  copyIn(target: Pointer, source: Bytes, bytes: number): void;
  copyOut(target: Bytes, source: Pointer, bytes: number): void;
  /** Memory that stays at its address until `free`. */
  allocate(bytes: number): { readonly address: Pointer; free(): void };
  decodeString(address: Pointer): string;
}

let native: NativeApi | undefined;

const p = 'uint64_t';

/** Result and argument types in C, by function; `out` receives a pointer. */
function signatures(out: OutParameter): Record<keyof typeof slots, [string, CType[]]> {
  return {
    GetErrorMessage: ['str', [p]],
    ReleaseStatus: ['void', [p]],
    CreateThreadingOptions: [p, [out]],
    SetGlobalIntraOpNumThreads: [p, [p, 'int']],
    SetGlobalInterOpNumThreads: [p, [p, 'int']],
    SetGlobalSpinControl: [p, [p, 'int']],
    SetGlobalDenormalAsZero: [p, [p]],
    CreateEnvWithGlobalThreadPools: [p, ['int', 'str', p, out]],
    CreateCpuMemoryInfo: [p, ['int', 'int', out]],
    GetAllocatorWithDefaultOptions: [p, [out]],
    CreateAndRegisterAllocator: [p, [p, p, p]],
    AllocatorFree: [p, [p, p]],
    CreateSessionOptions: [p, [out]],
    DisablePerSessionThreads: [p, [p]],
    DisableMemPattern: [p, [p]],
    SetSessionGraphOptimizationLevel: [p, [p, 'int']],
    AddSessionConfigEntry: [p, [p, 'str', 'str']],
    EnableProfiling: [p, [p, 'str']],
    CreateSessionFromArray: [p, [p, 'void *', 'size_t', p, out]],
    SessionEndProfiling: [p, [p, p, out]],
    ReleaseSession: ['void', [p]],
    ReleaseSessionOptions: ['void', [p]],
    Run: [p, [p, p, p, 'void *', 'size_t', p, 'size_t', 'void *']],
    CreateTensorAsOrtValue: [p, [p, 'void *', 'size_t', 'int', out]],
    GetTensorMutableData: [p, [p, out]],
    ReleaseValue: ['void', [p]],
  };
}

/** Throws where a library of this version does not offer the C functions used here. */
export function checkVersion(version: string, hasApi: boolean): void {
  const [major, minor] = version.split('.').map(Number) as [number, number];
  if (hasApi && (major > 1 || minor >= apiVersion)) return;
  throw new Error(
    `engine onnx: ONNX Runtime ${version} is too old, 1.${apiVersion} or newer is wanted. Run: ${installCommand}`,
  );
}

function bindTable(base: unknown): Record<string, unknown> {
  const [getApi, getVersion] = koffi.decode(base, koffi.array('void *', 2)) as [unknown, unknown];
  const version = koffi.call(getVersion, koffi.proto('const char *OrtGetVersionString()')) as string;
  const api = koffi.call(getApi, koffi.proto('void *OrtGetApi(uint32_t)'), apiVersion) as unknown;
  checkVersion(version, api !== null);
  const table = koffi.decode(api, koffi.array('void *', tableLength)) as unknown[];
  const bound: Record<string, unknown> = { version };
  const types = signatures(koffi.out(koffi.pointer(p)));
  for (const [name, slot] of Object.entries(slots)) {
    const [result, parameters] = types[name as keyof typeof slots];
    bound[name] = koffi.decode(table[slot], koffi.proto(`Ort${name}`, result, parameters));
  }
  return bound;
}

function allocate(bytes: number): { address: Pointer; free(): void } {
  const memory = koffi.alloc('uint8_t', Math.max(8, bytes));
  return { address: Number(koffi.address(memory)), free: () => koffi.free(memory) };
}

/**
 * Opens the library and binds the functions, once per process. Its telemetry is off: by default it identifies the
 * machine, writes files and sends reports, and it overflows the stack on command lines of some tens of kilobytes.
 * Throws with the command that installs what is missing.
 */
export function loadNative(): NativeApi {
  if (native) return native;
  const paths = findRuntime();
  const c = openLibrary('onnx', paths.c, 'The C library of the system is needed');
  presetVariable(c, 'ORT_DISABLE_TELEMETRY', '1');
  const runtime = openLibrary('onnx', paths.runtime, `Run: ${installCommand}, or use engine.use('cpu')`);
  const base = runtime.func('OrtGetApiBase', 'void *', [])() as unknown;
  native = {
    ...bindTable(base),
    copyIn: c.func('memcpy', 'void', [p, 'void *', 'size_t']),
    copyOut: c.func('memmove', 'void', ['void *', p, 'size_t']),
    allocate,
    decodeString: (address: Pointer) => koffi.decode(BigInt(address), 'char', -1) as string,
  } as unknown as NativeApi;
  return native;
}
