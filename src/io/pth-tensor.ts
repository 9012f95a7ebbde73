/** Tensors of a PyTorch file as descriptions: a view (offset, shape, strides) of a storage that is read on demand. */
import {
  bytesPerElement,
  elementCount,
  type HostData,
  type HostDType,
  type HostTensor,
  viewBytes,
} from './host-tensor.ts';
import { PickleError } from './pickle-value.ts';

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
