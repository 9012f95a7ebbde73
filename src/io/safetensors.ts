/** Reading and writing of safetensors files: https://github.com/huggingface/safetensors (format description). */
import type { FileHandle } from 'node:fs/promises';
import { FileEndError, mapRange, openFile, readRange, withOpenFile } from './bytes.ts';
import { writeAtomic } from './files.ts';
import { bytesOf, bytesPerElement, checkRows, type HostTensor, hostTensor, largest, viewBytes } from './host-tensor.ts';
import { quoted } from './json.ts';
import {
  maxHeaderBytes,
  parseHeader,
  SafetensorsError,
  type SafetensorsHeader,
  safetensorsCode,
  type TensorInfo,
} from './safetensors-header.ts';

/** An open description of a safetensors file: the header is in memory, each tensor is read when asked for. */
export interface SafetensorsFile {
  readonly path: string;
  /** The files that hold the tensors: this one, or an index and its parts. */
  readonly files: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
  /** Names of all tensors, in header order. */
  names(): string[];
  has(name: string): boolean;
  /** Dtype, shape and place of a tensor. */
  info(name: string): TensorInfo;
  /** Reads one tensor: its own bytes only. It lies at the start of `into`, whose values are lost, if that is given and large enough. */
  read(name: string, into?: Uint8Array): Promise<HostTensor>;
  /** Reads `count` rows of the first axis from row `start` on: those bytes only. */
  readRows(name: string, start: number, count: number): Promise<HostTensor>;
  /**
   * A tensor whose memory is the file: the system reads what is touched, when it is touched, and may drop it again.
   * Where it cannot map files, the tensor is read. The file must not be shortened while the tensor is in use.
   */
  map(name: string): HostTensor;
  /** Reads tensors one after the other, in file order. */
  entries(options?: EntriesOptions): AsyncGenerator<[string, HostTensor]>;
}

/** How tensors are read one after the other. */
export interface EntriesOptions {
  /** Each tensor lies in the memory of the one before, whose values are then lost (default false). */
  readonly reuse?: boolean;
}

/**
 * Opens a safetensors file: reads and validates its header, no tensor data.
 *
 * No file handle stays open, so there is nothing to close.
 *
 * @throws SafetensorsError if the file does not keep to the format (truncated, overlapping, unknown dtype, ...).
 * @example
 * const file = await openSafetensors('diffusion_pytorch_model.safetensors');
 * const weight = await file.read('head.head.weight');
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const header = await withFile(path, (file) => readHeader(file));
  return describe(path, header);
}

/** Reads all tensors of a safetensors file at once. */
export async function readSafetensors(path: string): Promise<Map<string, HostTensor>> {
  const all = new Map<string, HostTensor>();
  const file = await openSafetensors(path);
  for await (const [name, tensor] of file.entries()) all.set(name, tensor);
  return all;
}

function describe(path: string, { tensors, metadata }: SafetensorsHeader): SafetensorsFile {
  const info = (name: string): TensorInfo => {
    const found = tensors.get(name);
    if (found === undefined) throw new SafetensorsError(`${path}: no tensor ${quoted(name)} among ${tensors.size}`);
    return found;
  };
  const byPosition = () => [...tensors].sort(([, a], [, b]) => a.begin - b.begin);
  return {
    path,
    files: [path],
    metadata,
    names: () => [...tensors.keys()],
    has: (name) => tensors.has(name),
    info,
    read: (name, into) => withFile(path, (file) => readTensor(file, info(name), into)),
    readRows: (name, start, count) => withFile(path, (file) => readTensor(file, rowsOf(info(name), start, count))),
    map: (name) => mapTensor(path, info(name)),
    async *entries({ reuse = false } = {}) {
      const shared = reuse
        ? new Uint8Array(largest([...tensors.values()].map(({ byteLength }) => byteLength)))
        : undefined;
      const file = await openFile(path);
      try {
        for (const [name, place] of byPosition()) yield [name, await readTensor(file, place, shared)];
      } catch (error) {
        throw named(path, error);
      } finally {
        await file.close();
      }
    },
  };
}

/** Runs `use` on an open file and puts the path in front of a format error. */
async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await openFile(path);
  try {
    return await use(file);
  } catch (error) {
    throw named(path, error);
  } finally {
    await file.close();
  }
}

function named(path: string, error: unknown): unknown {
  const known = error instanceof SafetensorsError || error instanceof FileEndError;
  return known ? new SafetensorsError(`${path}: ${error.message}`, { cause: error }) : error;
}

async function readHeader(file: FileHandle): Promise<SafetensorsHeader> {
  const { size } = await file.stat();
  if (size < 8) throw new SafetensorsError(`${size} bytes are too few for a safetensors file (at least 8)`);
  const first = await readRange(file, 0, 8);
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    throw new SafetensorsError(`a header of ${length} bytes is announced, more than the ${maxHeaderBytes} accepted`);
  }
  const dataStart = 8 + Number(length);
  if (dataStart > size)
    throw new SafetensorsError(`a header of ${length} bytes is announced, but the file has only ${size}`);
  return parseHeader(await readRange(file, 8, Number(length)), dataStart, size);
}

/** Reads a tensor into the start of `shared`, if that is large enough. */
async function readTensor(file: FileHandle, place: TensorInfo, shared?: Uint8Array): Promise<HostTensor> {
  const bytes = await readRange(file, place.begin, place.byteLength, shared);
  return hostTensor(place.dtype, place.shape, viewBytes(place.dtype, bytes));
}

/** The place of some rows of a tensor. */
function rowsOf(place: TensorInfo, start: number, count: number): TensorInfo {
  const { shape, begin, byteLength } = place;
  const [rows = 0, ...rest] = shape;
  checkRows(rows, start, count);
  const rowBytes = byteLength / Math.max(1, rows);
  return { ...place, shape: [count, ...rest], begin: begin + start * rowBytes, byteLength: count * rowBytes };
}

/** Typed arrays start at multiples of their element, which files do not promise. */
function mapTensor(path: string, { dtype, shape, begin, byteLength }: TensorInfo): HostTensor {
  try {
    const bytes = withOpenFile(path, (file) => mapRange(file, begin, byteLength, bytesPerElement(dtype)));
    return hostTensor(dtype, shape, viewBytes(dtype, bytes));
  } catch (error) {
    throw named(path, error);
  }
}

/**
 * Writes a safetensors file atomically (temporary file beside it, synced, renamed).
 *
 * Tensors are laid out by falling element size, so that each lies aligned, then in the order given.
 *
 * @example await writeSafetensors('weights.safetensors', await weights.toHost(), { format: 'pt' })
 */
export async function writeSafetensors(
  path: string,
  entries: Iterable<readonly [string, HostTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const sorted = [...entries].sort(([, a], [, b]) => bytesPerElement(b.dtype) - bytesPerElement(a.dtype));
  await writeAtomic(path, fileChunks(sorted, metadata));
}

function* fileChunks(
  entries: readonly (readonly [string, HostTensor])[],
  metadata: Readonly<Record<string, string>>,
): Generator<Uint8Array> {
  yield headerBytes(entries, metadata);
  for (const [, tensor] of entries) yield bytesOf(tensor);
}

function headerBytes(
  entries: readonly (readonly [string, HostTensor])[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const fields: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  const seen = new Set<string>(['__metadata__']);
  let position = 0;
  for (const [name, tensor] of entries) {
    if (seen.has(name)) throw new SafetensorsError(`tensor name ${quoted(name)} is given twice or reserved`);
    seen.add(name);
    const { dtype, shape, data } = hostTensor(tensor.dtype, tensor.shape, tensor.data);
    const end = position + data.byteLength;
    fields.push([name, { dtype: safetensorsCode(dtype), shape, data_offsets: [position, end] }]);
    position = end;
  }
  return frameHeader(JSON.stringify(Object.fromEntries(fields)));
}

/** u64 length, then the text padded with spaces so that the data starts at a multiple of 8. */
function frameHeader(text: string): Uint8Array {
  const json = Buffer.from(text);
  const length = Math.ceil(json.byteLength / 8) * 8;
  const bytes = Buffer.alloc(8 + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length), 0);
  bytes.set(json, 8);
  return bytes;
}
