/**
 * What the pickle in a PyTorch file may name: tensors, their storages, ordered dictionaries, and nothing that runs.
 * A tensor is a description: a view (offset, shape, strides) of a storage that is read on demand.
 */
import {
  bytesPerElement,
  elementCount,
  type HostData,
  type HostDType,
  type HostTensor,
  valuesPerElement,
  viewBytes,
} from './host-tensor.ts';
import { quoted } from './json.ts';
import {
  isGlobal,
  kindOf,
  PickleError,
  type PickleGlobal,
  type PickleHost,
  type PickleKey,
  PickleRecord,
  type PickleValue,
  setNew,
} from './pickle-value.ts';

/** A block of bytes in the file; several tensors may look at one. */
export interface PthStorage {
  readonly key: string;
  readonly bytes: number;
  /** Type of its elements; null where only its tensors say. */
  readonly dtype: HostDType | null;
}

/** Storage classes and the elements they hold. */
const storageTypes: Readonly<Record<string, HostDType | null>> = {
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
  ComplexFloatStorage: 'complex64',
  ComplexDoubleStorage: 'complex128',
  UntypedStorage: null,
};

/** Element types without a storage class of their own, which their tensors name. */
const untypedElements: Readonly<Record<string, HostDType>> = {
  float8_e4m3fn: 'float8_e4m3',
  float8_e5m2: 'float8_e5m2',
  float8_e8m0fnu: 'float8_e8m0',
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'uint64',
};

/** A storage among the values of a pickle. */
class StorageReference {
  readonly opaque: string = 'storage';
  readonly storage: PthStorage;

  constructor(storage: PthStorage) {
    this.storage = storage;
  }
}

type Call = NonNullable<PickleGlobal['call']>;

const calls: Readonly<Record<string, Call>> = {
  'collections.OrderedDict': orderedDict,
  'torch._utils._rebuild_tensor': rebuildTensor,
  'torch._utils._rebuild_tensor_v2': rebuildTensor,
  'torch._utils._rebuild_tensor_v3': rebuildTensor,
  'torch._utils._rebuild_parameter': rebuildParameter,
  'torch.Size': ([sizes = []]) => sizes,
  'torch.device': ([name = null, index]) => (index === undefined ? name : `${String(name)}:${String(index)}`),
};

const otherElements =
  'float16 float32 float64 bfloat16 int8 int16 int32 int64 uint8 bool half float double long int short ' +
  'complex32 complex64 complex128 float8_e4m3fnuz float8_e5m2fnuz float4_e2m1fn_x2';
/** Named in configurations and by tensors; as values they are names, nothing more. */
const dtypes = new Set([...otherElements.split(' '), ...Object.keys(untypedElements)]);

/** Resolves the names of one file's pickle and collects the storages that it refers to. */
export class PthHost implements PickleHost {
  /** Storages by key. */
  readonly storages: Map<string, PthStorage> = new Map();

  global(module: string, name: string): PickleGlobal {
    const global = `${module}.${name}`;
    const call = Object.hasOwn(calls, global) ? calls[global] : undefined;
    if (call) return { global, call };
    if (module === 'torch' && (Object.hasOwn(storageTypes, name) || dtypes.has(name))) return { global };
    if (global === 'torch.storage.UntypedStorage') return { global: 'torch.UntypedStorage' };
    if (/^__torch__(\.|$)/.test(module)) return { global, call: () => new PickleRecord() };
    throw new PickleError(
      `the file asks for ${global.slice(0, 200)}, which is not needed for tensors and may run code; ` +
        'save only tensors, dictionaries, lists and numbers, for example torch.save(model.state_dict(), path)',
    );
  }

  /** ("storage", class, key, device, elements), in old files with a sixth entry for views of storages. */
  persistent(id: PickleValue): PickleValue {
    const [tag, type, key, , elements = null, view = null] = Array.isArray(id) ? id : [];
    const name = torchName(type);
    const dtype = Object.hasOwn(storageTypes, name) ? storageTypes[name] : undefined;
    if (tag !== 'storage' || dtype === undefined || typeof key !== 'string' || view !== null) {
      throw new PickleError(`a persistent id does not describe a storage of a known class (${quoted(name || 'none')})`);
    }
    if (!isCount(elements)) throw new PickleError(`storage ${quoted(key)} announces ${kindOf(elements)} elements`);
    const bytes = elements * (dtype === null ? 1 : bytesPerElement(dtype));
    const storage: PthStorage = this.storages.get(key) ?? { key, dtype, bytes };
    if (storage.dtype !== dtype || storage.bytes !== bytes) {
      throw new PickleError(`storage ${quoted(key)} is described in two ways`);
    }
    this.storages.set(key, storage);
    return new StorageReference(storage);
  }
}

/** The name of a class or element type of torch; empty for any other value. */
function torchName(value: PickleValue | undefined): string {
  return value !== undefined && isGlobal(value) ? value.global.replace(/^torch\./, '') : '';
}

function orderedDict([pairs = []]: readonly PickleValue[]): PickleValue {
  const map = new Map<PickleKey, PickleValue>();
  if (!Array.isArray(pairs)) throw new PickleError(`an OrderedDict is made from a ${kindOf(pairs)}`);
  for (const pair of pairs) {
    const [key = null, value = null] = Array.isArray(pair) ? pair : [];
    if (typeof key === 'object' && key !== null) throw new PickleError(`a ${kindOf(key)} is used as a key`);
    setNew(map, key, value);
  }
  return map;
}

/** (storage, offset, shape, strides, requires_grad, hooks) and, of an untyped storage, the element type. */
function rebuildTensor([reference, offset = null, shape, stride, , , type]: readonly PickleValue[]): PickleValue {
  if (!(reference instanceof StorageReference)) throw new PickleError('a tensor has no storage');
  if (!isCount(offset) || !isCounts(shape) || !isCounts(stride)) {
    throw new PickleError(`a tensor makes no sense: its offset, shape and strides are up to ${maxRank} whole numbers`);
  }
  const { storage } = reference;
  const name = torchName(type);
  const dtype = storage.dtype ?? (Object.hasOwn(untypedElements, name) ? untypedElements[name]! : null);
  if (dtype === null) {
    const known = Object.keys(untypedElements).join(', ');
    throw new PickleError(`a tensor of ${quoted(name || 'no element type')} cannot be read; wanted one of ${known}`);
  }
  return new PthTensor(storage, dtype, offset, shape, stride);
}

function rebuildParameter([tensor]: readonly PickleValue[]): PickleValue {
  if (!(tensor instanceof PthTensor)) throw new PickleError('a parameter holds no tensor');
  return tensor;
}

function isCount(value: PickleValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** As many axes as PyTorch's own operations take. */
const maxRank = 64;

function isCounts(value: PickleValue | undefined): value is number[] {
  return Array.isArray(value) && value.length <= maxRank && value.every(isCount);
}

type Sizes = readonly number[];

/** A tensor as the file describes it; `PthFile.read` fetches its elements. */
export class PthTensor {
  /** Names the kind among the values of a pickle. */
  readonly opaque: string = 'tensor';
  readonly storage: PthStorage;
  readonly dtype: HostDType;
  readonly shape: readonly number[];
  /** Step along each axis in elements; 0 repeats. */
  readonly stride: readonly number[];
  /** First element in the storage. */
  readonly offset: number;

  /** @throws PickleError if the view leaves its storage or would be expanded beyond reason. */
  constructor(storage: PthStorage, dtype: HostDType, offset: number, shape: Sizes, stride: Sizes) {
    this.storage = storage;
    this.dtype = dtype;
    this.shape = [...shape];
    this.stride = [...stride];
    this.offset = offset;
    checkView(this);
  }

  /** Bytes of the tensor itself, without gaps. */
  get byteLength(): number {
    return elementCount(this.shape) * bytesPerElement(this.dtype);
  }
}

/** Largest tensor that may be made by repeating fewer stored elements. */
const maxExpandedBytes = 2 ** 26;

function checkView(tensor: PthTensor): void {
  const { storage, dtype, shape, stride, offset } = tensor;
  const what = `a tensor of shape [${shape}], strides [${stride}] and offset ${offset}`;
  if (shape.length !== stride.length) throw new PickleError(`${what} makes no sense`);
  const stored = storage.bytes / bytesPerElement(dtype);
  if (offset + elementSpan(tensor) > stored) {
    throw new PickleError(`${what} does not fit its storage of ${stored} elements`);
  }
  const elements = shape.reduce((product, extent) => product * extent, 1);
  if (elements > stored && elements * bytesPerElement(dtype) > maxExpandedBytes) {
    throw new PickleError(`${what} repeats ${stored} stored elements ${elements} times`);
  }
}

/** Stored elements from the view's first to its last; 0 if the view is empty. */
export function elementSpan({ shape, stride }: Pick<PthTensor, 'shape' | 'stride'>): number {
  if (shape.includes(0)) return 0;
  return 1 + shape.reduce((sum, extent, axis) => sum + (extent - 1) * stride[axis]!, 0);
}

/** The tensor in row-major order, from the bytes of its span. */
export function materialise(tensor: PthTensor, span: Uint8Array): HostTensor {
  const { dtype, shape } = tensor;
  const stored = viewBytes(dtype, span);
  const data = isRowMajor(tensor) ? stored : gather(tensor, stored);
  return { dtype, shape: [...shape], data };
}

function isRowMajor({ shape, stride }: PthTensor): boolean {
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && stride[axis] !== step) return shape.includes(0);
    step *= shape[axis]!;
  }
  return true;
}

/** Copies a strided view, counting through its indices as an odometer does. */
function gather({ dtype, shape, stride }: PthTensor, stored: HostData): HostData {
  const count = elementCount(shape);
  const width = valuesPerElement(dtype);
  const out = new (stored.constructor as new (length: number) => HostData)(count * width);
  const index = shape.map(() => 0);
  let from = 0;
  for (let i = 0; i < count; i++) {
    for (let part = 0; part < width; part++) out[i * width + part] = stored[from * width + part]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += stride[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= stride[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
