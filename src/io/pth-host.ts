/** What the pickle in a PyTorch file may name: tensors, their storages, ordered dictionaries, and nothing that runs. */
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
import { type PthStorage, PthTensor, storageTypes } from './pth-tensor.ts';

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
