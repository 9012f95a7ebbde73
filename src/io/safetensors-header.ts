import { bytesPerElement, elementCount, type HostDType } from './host-tensor.ts';

/** Where one tensor lies in a safetensors file. */
export interface TensorInfo {
  dtype: HostDType;
  shape: number[];
  /** Absolute position of the first byte in the file. */
  begin: number;
  byteLength: number;
}

/** A validated safetensors header. */
export interface SafetensorsHeader {
  tensors: Map<string, TensorInfo>;
  metadata: Map<string, string>;
}

/** A safetensors file that does not keep to the format; the message names the file and what is wrong. */
export class SafetensorsError extends Error {
  override name = 'SafetensorsError';
}

/** Largest header accepted, as in the reference library: a 14B checkpoint needs about 150 KB. */
export const maxHeaderBytes = 100_000_000;

const codes: Record<string, HostDType> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  I64: 'int64',
  I32: 'int32',
  I16: 'int16',
  I8: 'int8',
  U64: 'uint64',
  U32: 'uint32',
  U16: 'uint16',
  U8: 'uint8',
  BOOL: 'bool',
  F8_E4M3: 'float8_e4m3',
  F8_E5M2: 'float8_e5m2',
};

/** The code that a safetensors header uses for `dtype`, e.g. `BF16`. */
export function safetensorsCode(dtype: HostDType): string {
  return Object.keys(codes).find((code) => codes[code] === dtype)!;
}

/**
 * Parses and validates the JSON header of a safetensors file.
 *
 * Refused: bad JSON, unknown dtypes, extents that are negative, fractional or overflow, byte ranges that do not match
 * shape and dtype, lie outside of the file, overlap, or leave bytes that belong to no tensor.
 *
 * @param text the header
 * @param dataStart absolute position of the first byte after the header
 * @param fileBytes size of the whole file
 */
export function parseHeader(text: string, dataStart: number, fileBytes: number): SafetensorsHeader {
  const tensors = new Map<string, TensorInfo>();
  let metadata = new Map<string, string>();
  for (const [name, entry] of Object.entries(parseObject(text))) {
    if (name === '__metadata__') metadata = parseMetadata(entry);
    else tensors.set(name, parseTensor(name, entry, dataStart));
  }
  checkCoverage(tensors, dataStart, fileBytes);
  return { tensors, metadata };
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SafetensorsError(`the header is not valid JSON (${(error as Error).message})`);
  }
  if (!isObject(value)) throw new SafetensorsError('the header is not a JSON object');
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseMetadata(entry: unknown): Map<string, string> {
  if (!isObject(entry)) throw new SafetensorsError('__metadata__ is not an object');
  const pairs = Object.entries(entry);
  for (const [key, value] of pairs) {
    if (typeof value !== 'string') throw new SafetensorsError(`__metadata__ "${key}" is not a string`);
  }
  return new Map(pairs as [string, string][]);
}

function parseTensor(name: string, entry: unknown, dataStart: number): TensorInfo {
  const refuse = (why: string): never => {
    throw new SafetensorsError(`tensor "${name}": ${why}`);
  };
  if (!isObject(entry)) return refuse('its entry is not an object');
  const { dtype: code, shape, data_offsets: offsets } = entry;
  const dtype =
    typeof code === 'string' && Object.hasOwn(codes, code) ? codes[code]! : refuse(`unknown dtype ${show(code)}`);
  if (!isCounts(shape)) return refuse(`shape ${show(shape)} is not a list of non-negative integers`);
  if (!isCounts(offsets) || offsets.length !== 2)
    return refuse(`data_offsets ${show(offsets)} is not a pair of positions`);
  const [begin, end] = offsets as [number, number];
  if (end < begin) return refuse(`data_offsets end (${end}) before they begin (${begin})`);
  const wanted = byteLength(shape, dtype) ?? refuse(`shape ${show(shape)} overflows`);
  if (wanted !== end - begin) {
    return refuse(`${code} ${show(shape)} needs ${wanted} bytes, but data_offsets span ${end - begin}`);
  }
  return { dtype, shape, begin: dataStart + begin, byteLength: wanted };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function show(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 80);
}

/** Bytes of a tensor, or undefined where the count is not exact in a double. */
function byteLength(shape: number[], dtype: HostDType): number | undefined {
  try {
    const bytes = elementCount(shape) * bytesPerElement(dtype);
    return Number.isSafeInteger(bytes) ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** Tensors must tile the data exactly: no overlap, no hole, nothing beyond the end. */
function checkCoverage(tensors: Map<string, TensorInfo>, dataStart: number, fileBytes: number): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.byteLength - b.byteLength);
  let position = dataStart;
  for (const [name, { begin, byteLength: length }] of sorted) {
    if (begin < position) throw new SafetensorsError(`tensor "${name}" overlaps the one before it`);
    if (begin > position)
      throw new SafetensorsError(`${begin - position} bytes before tensor "${name}" belong to no tensor`);
    position = begin + length;
  }
  if (position !== fileBytes) {
    const data = fileBytes - dataStart;
    throw new SafetensorsError(
      `the tensors cover ${position - dataStart} bytes, but the file has ${data} bytes of data`,
    );
  }
}
