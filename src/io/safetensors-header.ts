/** Headers of safetensors files, which say what lies where, and of the indexes that join several files. */
import { bytesPerElement, elementCount, type HostDType } from './host-tensor.ts';
import { JsonError, JsonReader, quoted, utf8Text } from './json.ts';

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
/** The largest checkpoints have some ten thousand tensors. */
const maxTensors = 2 ** 18;
const maxNotes = 2 ** 16;
/** As many axes as PyTorch's own operations take. */
const maxRank = 64;

const codes: Readonly<Record<string, HostDType>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
  C64: 'complex64',
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
  F8_E8M0: 'float8_e8m0',
};

/**
 * The code that a safetensors header uses for `dtype`, e.g. `BF16`.
 *
 * @throws SafetensorsError for complex128, which the format does not have.
 */
export function safetensorsCode(dtype: HostDType): string {
  const code = Object.keys(codes).find((each) => codes[each] === dtype);
  if (code === undefined) throw new SafetensorsError(`${dtype} has no code in safetensors files; wanted complex64`);
  return code;
}

/**
 * Parses and validates the JSON header of a safetensors file.
 *
 * Refused: text that is not UTF-8 or not JSON, names that stand twice, unknown dtypes, extents that are negative,
 * fractional or overflow, byte ranges that do not match shape and dtype, lie outside of the file, overlap, or leave
 * bytes that belong to no tensor.
 *
 * @param bytes the header
 * @param dataStart absolute position of the first byte after the header
 * @param fileBytes size of the whole file
 */
export function parseHeader(bytes: Uint8Array, dataStart: number, fileBytes: number): SafetensorsHeader {
  const tensors = new Map<string, TensorInfo>();
  const metadata = new Map<string, string>();
  readJson('the header', bytes, (json) =>
    json.object((name) => {
      if (name === '__metadata__') return readMetadata(json, metadata);
      tensors.set(name, readTensorInfo(name, json, dataStart));
      if (tensors.size > maxTensors) throw new SafetensorsError(`more than ${maxTensors} tensors`);
    }),
  );
  checkCoverage(tensors, dataStart, fileBytes);
  return { tensors, metadata };
}

/** What an index says: the file of each tensor, and notes. */
export interface SafetensorsIndex {
  readonly places: ReadonlyMap<string, string>;
  readonly metadata: ReadonlyMap<string, string>;
}

/** Parses a `*.safetensors.index.json`. */
export function parseIndex(bytes: Uint8Array): SafetensorsIndex {
  const [places, metadata] = [new Map<string, string>(), new Map<string, string>()];
  let hasPlaces = false;
  readJson('the index', bytes, (json) =>
    json.object((field) => {
      if (field === 'weight_map' && json.peek() === '{') {
        hasPlaces = true;
        json.object((name) => places.set(name, readPlace(name, json)));
      } else if (field === 'metadata' && json.peek() === '{') {
        json.object((key) => metadata.set(key, json.scalar() ?? ''));
      } else json.skip();
      if (places.size > maxTensors) throw new SafetensorsError(`more than ${maxTensors} tensors`);
    }),
  );
  if (!hasPlaces) throw new SafetensorsError('the index has no "weight_map"');
  return { places, metadata };
}

function readPlace(name: string, json: JsonReader): string {
  const file = json.scalar() ?? '';
  if (/^[^/\\\0]+\.safetensors$/.test(file)) return file;
  throw new SafetensorsError(
    `tensor ${quoted(name)} lies in ${quoted(file)}, wanted a .safetensors file beside the index`,
  );
}

/** The reference library takes no header that does not begin with its object. */
function readJson(what: string, bytes: Uint8Array, read: (json: JsonReader) => void): void {
  try {
    const text = utf8Text(bytes);
    if (!text.trimStart().startsWith('{')) throw new SafetensorsError(`${what} is not a JSON object`);
    const json = new JsonReader(text);
    read(json);
    json.end();
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw new SafetensorsError(`${what} is not valid JSON: ${error.message}`, { cause: error });
  }
}

function readMetadata(json: JsonReader, metadata: Map<string, string>): void {
  if (json.peek() !== '{') throw new SafetensorsError('__metadata__ is not an object');
  json.object((key) => {
    if (json.peek() !== '"') throw new SafetensorsError(`__metadata__ ${quoted(key)} is not a string`);
    metadata.set(key, json.string());
    if (metadata.size > maxNotes) throw new SafetensorsError(`__metadata__ has more than ${maxNotes} entries`);
  });
}

function readTensorInfo(name: string, json: JsonReader, dataStart: number): TensorInfo {
  const refuse = (why: string): never => {
    throw new SafetensorsError(`tensor ${quoted(name)}: ${why}`);
  };
  if (json.peek() !== '{') return refuse('its entry is not an object');
  let [code, shape, offsets]: [string?, number[]?, number[]?] = [];
  json.object((field) => {
    if (field === 'dtype') code = json.scalar() ?? '';
    else if (field === 'shape') shape = readCounts(json, maxRank);
    else if (field === 'data_offsets') offsets = readCounts(json, 2);
    else json.skip();
  });
  const dtype = code !== undefined && Object.hasOwn(codes, code) ? codes[code]! : null;
  if (dtype === null) {
    return refuse(`unknown dtype ${quoted(code ?? 'none')}; wanted one of ${Object.keys(codes).join(', ')}`);
  }
  if (shape === undefined) return refuse(`its shape is not a list of at most ${maxRank} non-negative integers`);
  const [begin = 0, end] = offsets ?? [];
  if (end === undefined) return refuse('data_offsets is not a pair of positions');
  if (end < begin) return refuse(`data_offsets end (${end}) before they begin (${begin})`);
  const bytes = byteLength(shape, dtype) ?? refuse(`shape [${shape}] overflows`);
  if (bytes !== end - begin) {
    return refuse(`${code} [${shape}] needs ${bytes} bytes, but data_offsets span ${end - begin}`);
  }
  return { dtype, shape, begin: dataStart + begin, byteLength: bytes };
}

/** A list of at most `most` whole numbers; undefined for anything else. */
function readCounts(json: JsonReader, most: number): number[] | undefined {
  if (json.peek() !== '[') return void json.skip();
  const counts: number[] = [];
  let isGood = true;
  json.array(() => {
    const value = json.peek() === '"' ? undefined : json.scalar();
    if (value === undefined) throw new JsonError('a list of whole numbers holds something else');
    isGood &&= /^\d+$/.test(value) && Number.isSafeInteger(Number(value)) && counts.length < most;
    if (isGood) counts.push(Number(value));
  });
  return isGood ? counts : undefined;
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
    if (begin < position) throw new SafetensorsError(`tensor ${quoted(name)} overlaps the one before it`);
    if (begin > position)
      throw new SafetensorsError(`${begin - position} bytes before tensor ${quoted(name)} belong to no tensor`);
    position = begin + length;
  }
  if (position !== fileBytes) {
    const data = fileBytes - dataStart;
    throw new SafetensorsError(
      `the tensors cover ${position - dataStart} bytes, but the file has ${data} bytes of data`,
    );
  }
}
