/** Reading and writing of safetensors files: https://github.com/huggingface/safetensors (format description). */
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { explainer, mapRange, readRange, withFile } from './bytes.ts';
import { writeAtomic } from './files.ts';
import { bytesOf, bytesPerElement, checkRows, type HostTensor, hostTensor, viewBytes } from './host-tensor.ts';
import { quoted } from './json.ts';
import {
  maxHeaderBytes,
  parseHeader,
  parseIndex,
  SafetensorsError,
  type SafetensorsHeader,
  type SafetensorsIndex,
  safetensorsCode,
  type TensorInfo,
} from './safetensors-header.ts';
import { type TensorFile, tensorFile } from './tensor-file.ts';

/** An open description of a safetensors file: the header is in memory, each tensor is read when asked for. */
export interface SafetensorsFile extends TensorFile<TensorInfo> {
  /** The files that hold the tensors: this one, or an index and its parts. */
  readonly files: readonly string[];
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Opens a safetensors file: reads and validates its header, no tensor data.
 *
 * @throws SafetensorsError if the file does not keep to the format (truncated, overlapping, unknown dtype, ...).
 * @example
 * const file = await openSafetensors('diffusion_pytorch_model.safetensors');
 * const weight = await file.read('head.head.weight');
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const explain = explainer(path, SafetensorsError);
  const { tensors, metadata } = await withFile(path, readHeader, explain);
  const file = tensorFile({
    path,
    tensors,
    fileOrder: [...tensors].sort(([, a], [, b]) => a.begin - b.begin),
    refuse: (why) => new SafetensorsError(why),
    explain,
    span: ({ byteLength }) => byteLength,
    rows: rowsOf,
    read: async (file, place, shared) => over(place, await readRange(file, place.begin, place.byteLength, shared)),
    // typed arrays start at multiples of their element, which files do not promise
    map: (file, place) => over(place, mapRange(file, place.begin, place.byteLength, bytesPerElement(place.dtype))),
  });
  return { ...file, files: [path], metadata };
}

/** Reads all tensors of a safetensors file at once. */
export async function readSafetensors(path: string): Promise<Map<string, HostTensor>> {
  const all = new Map<string, HostTensor>();
  const file = await openSafetensors(path);
  for await (const [name, tensor] of file.entries()) all.set(name, tensor);
  return all;
}

function over({ dtype, shape }: TensorInfo, bytes: Uint8Array): HostTensor {
  return hostTensor(dtype, shape, viewBytes(dtype, bytes));
}

/** The place of some rows of a tensor. */
function rowsOf(place: TensorInfo, start: number, count: number): TensorInfo {
  const { shape, begin, byteLength } = place;
  const [rows = 0, ...rest] = shape;
  checkRows(rows, start, count);
  const rowBytes = byteLength / Math.max(1, rows);
  return { ...place, shape: [count, ...rest], begin: begin + start * rowBytes, byteLength: count * rowBytes };
}

async function readHeader(file: FileHandle): Promise<SafetensorsHeader> {
  const { size } = await file.stat();
  if (size < 8) throw new SafetensorsError(`${size} bytes are too few for a safetensors file (at least 8)`);
  const first = await readRange(file, 0, 8);
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  const announced = `a header of ${length} bytes is announced`;
  if (length > BigInt(maxHeaderBytes)) {
    throw new SafetensorsError(`${announced}, more than the ${maxHeaderBytes} accepted`);
  }
  const dataStart = 8 + Number(length);
  if (dataStart > size) throw new SafetensorsError(`${announced}, but the file has only ${size}`);
  return parseHeader(await readRange(file, 8, Number(length)), dataStart, size);
}

/**
 * Opens a checkpoint that is split over several safetensors files, by its `*.safetensors.index.json`, as one file.
 *
 * @throws SafetensorsError if the index is broken, names a tensor twice, points out of its folder, or names a tensor
 * that its file lacks.
 * @example await openShards('diffusion_pytorch_model.safetensors.index.json')
 */
export async function openShards(path: string): Promise<SafetensorsFile> {
  const { places, metadata } = await withFile(path, readIndex, explainer(path, SafetensorsError));
  const shards = new Map<string, SafetensorsFile>();
  for (const shard of new Set(places.values())) shards.set(shard, await openShard(path, shard));
  const shardOf = (name: string): SafetensorsFile => {
    const shard = places.get(name);
    if (shard === undefined) throw new SafetensorsError(`${path}: no tensor ${quoted(name)} among ${places.size}`);
    return shards.get(shard)!;
  };
  for (const name of places.keys()) shardOf(name).info(name);
  return {
    path,
    files: [path, ...[...shards.values()].map((file) => file.path)],
    metadata,
    names: () => [...places.keys()],
    has: (name) => places.has(name),
    info: (name) => shardOf(name).info(name),
    read: async (name, into) => shardOf(name).read(name, into),
    readRows: async (name, start, count) => shardOf(name).readRows(name, start, count),
    map: (name) => shardOf(name).map(name),
    async *entries(options) {
      for (const [shard, file] of shards) {
        for await (const entry of file.entries(options)) if (places.get(entry[0]) === shard) yield entry;
      }
    },
  };
}

async function readIndex(file: FileHandle): Promise<SafetensorsIndex> {
  const { size } = await file.stat();
  if (size > maxHeaderBytes) throw new SafetensorsError(`${size} bytes are more than the ${maxHeaderBytes} accepted`);
  return parseIndex(await readRange(file, 0, size));
}

async function openShard(index: string, shard: string): Promise<SafetensorsFile> {
  try {
    return await openSafetensors(join(dirname(index), shard));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new SafetensorsError(`${index}: ${shard} is missing beside it; download it from where the index came from`);
  }
}

type Entries = readonly (readonly [string, HostTensor])[];
type Metadata = Readonly<Record<string, string>>;

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
  metadata: Metadata = {},
): Promise<void> {
  const sorted = [...entries].sort(([, a], [, b]) => bytesPerElement(b.dtype) - bytesPerElement(a.dtype));
  await writeAtomic(path, fileChunks(sorted, metadata));
}

function* fileChunks(entries: Entries, metadata: Metadata): Generator<Uint8Array> {
  yield headerBytes(entries, metadata);
  for (const [, tensor] of entries) yield bytesOf(tensor);
}

/** u64 length, then the JSON text padded with spaces so that the data starts at a multiple of 8. */
function headerBytes(entries: Entries, metadata: Metadata): Uint8Array {
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
  const json = Buffer.from(JSON.stringify(Object.fromEntries(fields)));
  const length = Math.ceil(json.byteLength / 8) * 8;
  const bytes = Buffer.alloc(8 + length, ' ');
  bytes.writeBigUInt64LE(BigInt(length), 0);
  bytes.set(json, 8);
  return bytes;
}
