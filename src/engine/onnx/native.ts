/**
 * The ONNX Runtime library and the C functions used, bound through koffi. Loading happens in `loadNative`, never on import.
 */
import koffi from 'koffi';
import {
  allocate,
  type Bound,
  type Copies,
  copiesOf,
  cType,
  type NativeMemory,
  openLibrary,
  type Pointer,
  presetVariable,
} from '../native.ts';
import { findRuntime, installCommand } from './library.ts';

/**
 * The functions used here: position in ONNX Runtime's `OrtApi` struct (include/onnxruntime/core/session/
 * onnxruntime_c_api.h), result, parameters. The struct only grows at its end, so a position holds for every later
 * release. A status of 0 is success.
 */
const functions = {
  GetErrorMessage: [2, 'str', 'pointer'],
  CreateSessionFromArray: [8, 'pointer', 'pointer', 'buffer', 'size_t', 'pointer', 'out'],
  Run: [9, 'pointer', 'pointer', 'pointer', 'pointer', 'buffer', 'size_t', 'pointer', 'size_t', 'buffer'],
  CreateSessionOptions: [10, 'pointer', 'out'],
  EnableProfiling: [14, 'pointer', 'pointer', 'str'],
  DisableMemPattern: [17, 'pointer', 'pointer'],
  SetSessionGraphOptimizationLevel: [23, 'pointer', 'pointer', 'int'],
  CreateTensorAsOrtValue: [48, 'pointer', 'pointer', 'buffer', 'size_t', 'int', 'out'],
  GetTensorMutableData: [51, 'pointer', 'pointer', 'out'],
  CreateCpuMemoryInfo: [69, 'pointer', 'int', 'int', 'out'],
  AllocatorFree: [76, 'pointer', 'pointer', 'pointer'],
  GetAllocatorWithDefaultOptions: [78, 'pointer', 'out'],
  ReleaseStatus: [93, 'void', 'pointer'],
  ReleaseSession: [95, 'void', 'pointer'],
  ReleaseValue: [96, 'void', 'pointer'],
  ReleaseSessionOptions: [100, 'void', 'pointer'],
  SessionEndProfiling: [110, 'pointer', 'pointer', 'pointer', 'out'],
  CreateEnvWithGlobalThreadPools: [119, 'pointer', 'int', 'str', 'pointer', 'out'],
  DisablePerSessionThreads: [120, 'pointer', 'pointer'],
  CreateThreadingOptions: [121, 'pointer', 'out'],
  AddSessionConfigEntry: [130, 'pointer', 'pointer', 'str', 'str'],
  CreateAndRegisterAllocator: [144, 'pointer', 'pointer', 'pointer', 'pointer'],
  SetGlobalIntraOpNumThreads: [147, 'pointer', 'pointer', 'int'],
  SetGlobalInterOpNumThreads: [148, 'pointer', 'pointer', 'int'],
  SetGlobalSpinControl: [149, 'pointer', 'pointer', 'int'],
  SetGlobalDenormalAsZero: [155, 'pointer', 'pointer'],
} as const;

/** Length of the table to read, and the version of the C API to ask for. */
const tableLength = 160;
const apiVersion = 20;

type Signatures = {
  readonly [Name in keyof typeof functions]: (typeof functions)[Name] extends readonly [number, ...infer Signature]
    ? Extract<Signature, [string, ...string[]]>
    : never;
};

export interface NativeApi extends Bound<Signatures>, Copies {
  readonly version: string;
  allocate(bytes: number): NativeMemory;
  decodeString(address: Pointer): string;
}

let native: NativeApi | undefined;

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
  for (const [name, [slot, result, ...parameters]] of Object.entries(functions)) {
    bound[name] = koffi.decode(table[slot], koffi.proto(`Ort${name}`, cType(result), parameters.map(cType)));
  }
  return bound;
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
    ...copiesOf(c),
    allocate,
    decodeString: (address: Pointer) => koffi.decode(BigInt(address), 'char', -1) as string,
  } as unknown as NativeApi;
  return native;
}
