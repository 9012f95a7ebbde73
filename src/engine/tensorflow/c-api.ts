/**
 * The functions of TensorFlow's C interface (c_api.h, eager/c_api.h) that the engine calls, bound through koffi.
 */
import type { LibraryHandle } from 'koffi';
import { type Bound, type Copies, configureNative, copiesOf, cType, openLibrary, type Pointer } from '../native.ts';
import { installCommand, type TensorflowLibrary } from './library.ts';

/** Result and argument types in C, by function. */
const signatures = {
  TF_Version: ['str'],
  TF_NewStatus: ['pointer'],
  TF_GetCode: ['int', 'pointer'],
  TF_Message: ['str', 'pointer'],
  TF_AllocateTensor: ['pointer', 'int', 'buffer', 'int', 'size_t'],
  TF_DeleteTensor: ['void', 'pointer'],
  TF_TensorData: ['pointer', 'pointer'],
  TF_TensorByteSize: ['size_t', 'pointer'],
  TF_TensorElementCount: ['int64_t', 'pointer'],
  TF_StringInit: ['void', 'pointer'],
  TF_StringCopy: ['void', 'pointer', 'buffer', 'size_t'],
  TF_StringGetDataPointer: ['pointer', 'pointer'],
  TF_StringGetSize: ['size_t', 'pointer'],
  TFE_NewContextOptions: ['pointer'],
  TFE_ContextOptionsSetConfig: ['void', 'pointer', 'buffer', 'size_t', 'pointer'],
  TFE_DeleteContextOptions: ['void', 'pointer'],
  TFE_NewContext: ['pointer', 'pointer', 'pointer'],
  TFE_ContextListDevices: ['pointer', 'pointer', 'pointer'],
  TF_DeviceListCount: ['int', 'pointer'],
  TF_DeviceListName: ['str', 'pointer', 'int', 'pointer'],
  TF_DeviceListType: ['str', 'pointer', 'int', 'pointer'],
  TF_DeleteDeviceList: ['void', 'pointer'],
  TFE_NewTensorHandle: ['pointer', 'pointer', 'pointer'],
  TFE_DeleteTensorHandle: ['void', 'pointer'],
  TFE_TensorHandleDataType: ['int', 'pointer'],
  TFE_TensorHandleNumDims: ['int', 'pointer', 'pointer'],
  TFE_TensorHandleDim: ['int64_t', 'pointer', 'int', 'pointer'],
  TFE_TensorHandleResolve: ['pointer', 'pointer', 'pointer'],
  TFE_TensorHandleCopyToDevice: ['pointer', 'pointer', 'pointer', 'str', 'pointer'],
  TFE_NewOp: ['pointer', 'pointer', 'str', 'pointer'],
  TFE_DeleteOp: ['void', 'pointer'],
  TFE_OpAddInput: ['void', 'pointer', 'pointer', 'pointer'],
  TFE_OpSetAttrString: ['void', 'pointer', 'pointer', 'buffer', 'size_t'],
  TFE_OpSetAttrInt: ['void', 'pointer', 'pointer', 'int64_t'],
  TFE_OpSetAttrIntList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TFE_OpSetAttrFloat: ['void', 'pointer', 'pointer', 'float'],
  TFE_OpSetAttrFloatList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TFE_OpSetAttrBool: ['void', 'pointer', 'pointer', 'uint8_t'],
  TFE_OpSetAttrBoolList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TFE_OpSetAttrType: ['void', 'pointer', 'pointer', 'int'],
  TFE_OpSetAttrShape: ['void', 'pointer', 'pointer', 'buffer', 'int', 'pointer'],
  TFE_Execute: ['void', 'pointer', 'buffer', 'buffer', 'pointer'],
} as const;

/** The bound functions, and the few of the C library that go with them. */
export interface TensorflowApi extends Bound<typeof signatures>, Copies {
  /** A C string that lives as long as the process: the library keeps attribute names by pointer. */
  internName(name: string): Pointer;
}

interface Platform {
  readonly c: string;
  /** Resolve now, share symbols, never unload. */
  readonly flags: number;
}

const platforms: Partial<Record<NodeJS.Platform, Platform>> = {
  linux: { c: 'libc.so.6', flags: 0x1000 | 0x100 | 0x2 },
  darwin: { c: 'libSystem.B.dylib', flags: 0x80 | 0x8 | 0x2 },
};

/** Opens the library for good (unloading it at exit crashes) and binds the functions. */
export function bindTensorflow({ framework, api }: TensorflowLibrary): TensorflowApi {
  configureNative();
  const { c: cName, flags } = platforms[process.platform]!;
  const c = openLibrary('tensorflow', cName, 'The C library of the system is needed');
  const keep = c.func('dlopen', 'uint64_t', ['str', 'int']);
  const fix = `Another version may work: ${installCommand}`;
  for (const path of [framework, api]) keep(path, flags);
  const libraries = [api, framework].map((path) => openLibrary('tensorflow', path, fix));
  const bound: Record<string, unknown> = {};
  for (const [name, [result, ...parameters]] of Object.entries(signatures)) {
    bound[name] = bindIn(libraries, name, [cType(result), parameters.map(cType)]);
  }
  const duplicate = c.func('strdup', 'uint64_t', ['str']) as unknown as (name: string) => Pointer;
  const names = new Map<string, Pointer>();
  const internName = (name: string): Pointer => {
    const known = names.get(name) ?? duplicate(name);
    names.set(name, known);
    return known;
  };
  return { ...bound, ...copiesOf(c), internName } as unknown as TensorflowApi;
}

type CType = ReturnType<typeof cType>;

function bindIn(libraries: readonly LibraryHandle[], name: string, signature: [CType, CType[]]): unknown {
  for (const library of libraries) {
    try {
      return library.func(name, ...signature);
    } catch {
      // the other library may have it
    }
  }
  const why = 'it is too old or too new';
  throw new Error(`engine tensorflow: this libtensorflow has no ${name}: ${why}. Run: ${installCommand}`);
}
