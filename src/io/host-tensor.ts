/**
 * Tensors on the host: a dtype, a shape and a typed array in row-major order. This is what files hold and what
 * crosses the border between files and engines; no engine is needed to make or read one.
 *
 * Half precisions are kept as raw 16-bit patterns (`Uint16Array`), 8-bit floats and booleans as bytes, complex numbers
 * as their real and imaginary parts in turn.
 */

/** Element type of a {@link HostTensor}. */
export type HostDType =
  | ('float64' | 'float32' | 'float16' | 'bfloat16' | 'float8_e4m3' | 'float8_e5m2' | 'float8_e8m0')
  | ('int64' | 'int32' | 'int16' | 'int8' | 'uint64' | 'uint32' | 'uint16' | 'uint8' | 'bool')
  | ('complex64' | 'complex128');

interface HostArray {
  readonly name: string;
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer, byteOffset: number, length: number): HostData;
}

const arrays: Readonly<Record<HostDType, HostArray>> = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  float8_e4m3: Uint8Array,
  float8_e5m2: Uint8Array,
  float8_e8m0: Uint8Array,
  complex64: Float32Array,
  complex128: Float64Array,
};

/** Values that an element takes in its array. */
export function valuesPerElement(dtype: HostDType): 1 | 2 {
  return dtype === 'complex64' || dtype === 'complex128' ? 2 : 1;
}

/** The typed arrays that hold the elements of a {@link HostTensor}. */
export type HostData =
  | (Float64Array | Float32Array | BigInt64Array | BigUint64Array)
  | (Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array);

/** A tensor in host memory, row-major. */
export interface HostTensor {
  dtype: HostDType;
  shape: number[];
  data: HostData;
}

/** Bytes of one element of `dtype`. */
export function bytesPerElement(dtype: HostDType): number {
  return arrays[dtype].BYTES_PER_ELEMENT * valuesPerElement(dtype);
}

/**
 * Number of elements of a shape (1 for a scalar).
 *
 * @throws RangeError if an extent is not a non-negative integer or the product exceeds 2^53 - 1.
 */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) {
      throw new RangeError(`shape [${shape.join(', ')}]: extent ${extent} is not a non-negative integer`);
    }
    count *= extent;
  }
  if (!Number.isSafeInteger(count)) throw new RangeError(`shape [${shape.join(', ')}] has more than 2^53 - 1 elements`);
  return count;
}

/**
 * Makes a host tensor and checks that data, dtype and shape belong together.
 *
 * @example hostTensor('float32', [2, 2], new Float32Array([1, 2, 3, 4]))
 */
export function hostTensor(dtype: HostDType, shape: readonly number[], data: HostData): HostTensor {
  const wanted = arrays[dtype];
  if (!(data instanceof wanted)) {
    throw new TypeError(`data: ${dtype} is held in a ${wanted.name}, received a ${data.constructor.name}`);
  }
  const count = elementCount(shape) * valuesPerElement(dtype);
  if (data.length !== count) {
    throw new RangeError(`data: shape [${shape.join(', ')}] needs ${count} elements, received ${data.length}`);
  }
  return { dtype, shape: [...shape], data };
}

/** The largest of any number of sizes, 0 of none. */
export function largest(sizes: readonly number[]): number {
  return sizes.reduce((most, size) => Math.max(most, size), 0);
}

/** @throws RangeError unless `count` rows from `start` on lie within `rows`. */
export function checkRows(rows: number, start: number, count: number): void {
  const isWithin = [start, count].every((n) => Number.isInteger(n) && n >= 0) && start + count <= rows;
  if (!isWithin) throw new RangeError(`rows ${start} to ${start + count} are not within the ${rows} of the tensor`);
}

/** A typed array over `bytes` (not copied; `bytes` must start at an aligned offset of its buffer). */
export function viewBytes(dtype: HostDType, bytes: Uint8Array): HostData {
  const { BYTES_PER_ELEMENT: size } = arrays[dtype];
  return new arrays[dtype](bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / size);
}

/** The bytes of a host tensor's data (not copied; little-endian on every platform Node runs on). */
export function bytesOf(host: HostTensor): Uint8Array {
  return new Uint8Array(host.data.buffer as ArrayBuffer, host.data.byteOffset, host.data.byteLength);
}
