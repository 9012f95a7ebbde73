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
  viewBytes,
} from './host-tensor.ts';
import {
  isGlobal,
  kindOf,
  PickleError,
  type PickleGlobal,
  type PickleHost,
  type PickleKey,
  PickleRecord,
  type PickleValue,
} from './pickle-value.ts';

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
  'torch._utils._rebuild_parameter': rebuildParameter,
  'torch.Size': ([sizes = []]) => sizes,
  'torch.device': ([name = null, index]) => (index === undefined ? name : `${String(name)}:${String(index)}`),
};

const dtypes = new Set(
  'float16 float32 float64 bfloat16 int8 int16 int32 int64 uint8 bool half float double long int short'.split(' '),
);

/** Resolves the names of one file's pickle and collects the storages that it refers to. */
export class PthHost implements PickleHost {
  /** Storages by key. */
  readonly storages: Map<string, PthStorage> = new Map();

  global(module: string, name: string): PickleGlobal {
    const global = `${module}.${name}`;
    const call = Object.hasOwn(calls, global) ? calls[global] : undefined;
    if (call) return { global, call };
    if (module === 'torch' && (Object.hasOwn(storageTypes, name) || dtypes.has(name))) return { global };
    if (/^__torch__(\.|$)/.test(module)) return { global, call: () => new PickleRecord() };
    throw new PickleError(
      `the file asks for ${global}, which is not needed for tensors and may run code; ` +
        'save only tensors, dictionaries, lists and numbers, for example torch.save(model.state_dict(), path)',
    );
  }

  /** ("storage", class, key, device, elements), in old files with a sixth entry for views of storages. */
  persistent(id: PickleValue): PickleValue {
    const [tag, type, key, , elements, view = null] = Array.isArray(id) ? id : [];
    const name = type !== undefined && isGlobal(type) ? type.global.replace(/^torch\./, '') : '';
    const dtype = storageTypes[name];
    if (tag !== 'storage' || dtype === undefined || typeof key !== 'string' || view !== null) {
      throw new PickleError(`a persistent id does not describe a storage of a known class (${name || 'none'})`);
    }
    if (typeof elements !== 'number' || !Number.isSafeInteger(elements) || elements < 0) {
      throw new PickleError(`storage "${key}" announces ${String(elements)} elements`);
    }
    const storage: PthStorage = { key, dtype, elements };
    const known = this.storages.get(key) ?? storage;
    if (known.dtype !== dtype || known.elements !== elements) {
      throw new PickleError(`storage "${key}" is described in two ways`);
    }
    this.storages.set(key, known);
    return new StorageReference(known);
  }
}

function orderedDict([pairs = []]: readonly PickleValue[]): PickleValue {
  const map = new Map<PickleKey, PickleValue>();
  if (!Array.isArray(pairs)) throw new PickleError(`an OrderedDict is made from a ${kindOf(pairs)}`);
  for (const pair of pairs) {
    const [key = null, value = null] = Array.isArray(pair) ? pair : [];
    if (typeof key === 'object' && key !== null) throw new PickleError(`a ${kindOf(key)} is used as a key`);
    map.set(key, value);
  }
  return map;
}

function rebuildTensor(args: readonly PickleValue[]): PickleValue {
  const [reference, offset, shape, stride] = args;
  if (!(reference instanceof StorageReference)) throw new PickleError('a tensor has no storage');
  if (!isNumbers([offset]) || !isNumbers(shape) || !isNumbers(stride)) {
    throw new PickleError('offset, shape and strides of a tensor are not whole numbers');
  }
  return new PthTensor(reference.storage, offset as number, shape, stride);
}

function rebuildParameter([tensor]: readonly PickleValue[]): PickleValue {
  if (!(tensor instanceof PthTensor)) throw new PickleError('a parameter holds no tensor');
  return tensor;
}

function isNumbers(value: PickleValue | undefined | (PickleValue | undefined)[]): value is number[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'number');
}

/** A block of elements in the file; several tensors may look at one. */
export interface PthStorage {
  readonly key: string;
  readonly dtype: HostDType;
  readonly elements: number;
}

/** Storage classes and the elements they hold. */
export const storageTypes: Readonly<Record<string, HostDType>> = {
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
};

/** A tensor as the file describes it; `PthFile.read` fetches its elements. */
export class PthTensor {
  /** Names the kind among the values of a pickle. */
  readonly opaque: string = 'tensor';
  readonly storage: PthStorage;
  readonly shape: readonly number[];
  /** Step along each axis in elements; 0 repeats. */
  readonly stride: readonly number[];
  /** First element in the storage. */
  readonly offset: number;

  /** @throws PickleError if the view leaves its storage or would be expanded beyond reason. */
  constructor(storage: PthStorage, offset: number, shape: readonly number[], stride: readonly number[]) {
    this.storage = storage;
    this.shape = [...shape];
    this.stride = [...stride];
    this.offset = offset;
    checkView(this);
  }

  get dtype(): HostDType {
    return this.storage.dtype;
  }
}

/** Largest tensor that may be made by repeating fewer stored elements. */
const maxExpandedBytes = 2 ** 26;

function checkView(tensor: PthTensor): void {
  const { storage, shape, stride, offset } = tensor;
  const what = `a tensor of shape [${shape}], strides [${stride}] and offset ${offset}`;
  const numbers = [offset, ...shape, ...stride];
  if (shape.length !== stride.length || !numbers.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new PickleError(`${what} makes no sense`);
  }
  const span = elementSpan(tensor);
  if (offset + span > storage.elements) {
    throw new PickleError(`${what} does not fit its storage of ${storage.elements} elements`);
  }
  const elements = shape.reduce((product, extent) => product * extent, 1);
  if (elements > storage.elements && elements * bytesPerElement(storage.dtype) > maxExpandedBytes) {
    throw new PickleError(`${what} repeats ${storage.elements} stored elements ${elements} times`);
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
function gather({ shape, stride }: PthTensor, stored: HostData): HostData {
  const count = elementCount(shape);
  const out = new (stored.constructor as new (length: number) => HostData)(count);
  const index = shape.map(() => 0);
  let from = 0;
  for (let i = 0; i < count; i++) {
    out[i] = stored[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += stride[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= stride[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
