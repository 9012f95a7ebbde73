/**
 * Reading PyTorch files (.pth, .pt, .bin, .ckpt) without PyTorch and without running what is in them: only tensors,
 * containers and plain values are understood, everything else is refused.
 */
import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { explainer, mapRange, readRange, withFile } from './bytes.ts';
import { bytesPerElement, checkRows, type HostTensor } from './host-tensor.ts';
import { quoted } from './json.ts';
import { PickleError, type PickleValue } from './pickle-value.ts';
import { openArchive, type PthArchive, type StoragePlace } from './pth-archive.ts';
import { elementSpan, materialise, PthTensor } from './pth-tensor.ts';
import { checkRecord, checkRecordSync, compareChecksum, PthError } from './pth-zip.ts';
import { type TensorFile, tensorFile } from './tensor-file.ts';

/** An open description of a PyTorch file: names and shapes are in memory, each tensor is read when asked for. */
export interface PthFile extends TensorFile<PthTensor> {
  /** The saved object: dictionaries as maps, lists and tuples as arrays, tensors as {@link PthTensor}. */
  readonly value: PickleValue;
  /** As for every file, by the name of a tensor or its description; keys of nested containers are joined by dots. */
  read(tensor: string | PthTensor, into?: Uint8Array): Promise<HostTensor>;
  /** The part below a key, for example `generator_ema` of a training checkpoint. */
  at(key: string): PthFile;
}

/**
 * Opens a PyTorch file: reads and checks its pickle, no elements. No file handle stays open. The checksum of a storage
 * is compared when the first of its elements is asked for.
 *
 * @throws PthError if the file is broken, holds a name twice, or asks for anything but data.
 * @example
 * const vae = await openPth('Wan2.1_VAE.pth');
 * const weights = await Weights.stream(vae.entries());
 */
export async function openPth(path: string): Promise<PthFile> {
  const explain = explainer(path, PthError, [PickleError]);
  const archive = await withFile(path, openArchive, explain);
  try {
    return describe(path, { ...archive, checked: new Set(), explain }, archive.value);
  } catch (error) {
    throw explain(error);
  }
}

/** An archive with the records whose checksums were found right. */
interface OpenArchive extends PthArchive {
  readonly checked: Set<string>;
  explain(error: unknown): unknown;
}

function describe(path: string, archive: OpenArchive, value: PickleValue): PthFile {
  const file = tensorFile({
    path,
    tensors: findTensors(value, archive.fileSize),
    refuse: (why) => new PthError(why),
    explain: archive.explain,
    span: spanBytes,
    rows: rowsOf,
    read: (file, tensor, shared) => readTensor(file, archive, tensor, shared),
    map: (file, tensor) => mapTensor(file, archive, tensor),
  });
  const at = (key: string): PthFile => {
    const part = value instanceof Map ? value.get(key) : undefined;
    if (part === undefined) throw new PthError(`${path}: nothing is saved under "${key}"`);
    return describe(path, archive, part);
  };
  return { ...file, value, at };
}

/** Some rows of a tensor as a view of its storage. */
function rowsOf({ storage, dtype, offset, shape, stride }: PthTensor, start: number, count: number): PthTensor {
  const [rows = 0, ...rest] = shape;
  checkRows(rows, start, count);
  return new PthTensor(storage, dtype, offset + start * (stride[0] ?? 0), [count, ...rest], stride);
}

async function readTensor(
  file: FileHandle,
  archive: OpenArchive,
  tensor: PthTensor,
  shared?: Uint8Array,
): Promise<HostTensor> {
  const place = archive.locate(file.fd, tensor.storage);
  const span = spanBytes(tensor);
  const isWhole = span === tensor.storage.bytes;
  const record = uncheckedRecord(archive, place);
  if (record !== null && !isWhole) await checkRecord(file, record, place.begin);
  const bytes = await readRange(file, place.begin + offsetBytes(tensor), span, shared);
  if (record !== null && isWhole) compareChecksum(record, crc32(bytes));
  if (record !== null) archive.checked.add(record.name);
  return materialise(tensor, bytes);
}

function mapTensor(file: number, archive: OpenArchive, tensor: PthTensor): HostTensor {
  const place = archive.locate(file, tensor.storage);
  const record = uncheckedRecord(archive, place);
  if (record !== null) {
    checkRecordSync(file, record, place.begin);
    archive.checked.add(record.name);
  }
  const begin = place.begin + offsetBytes(tensor);
  return materialise(tensor, mapRange(file, begin, spanBytes(tensor), bytesPerElement(tensor.dtype)));
}

function uncheckedRecord({ checked }: OpenArchive, { record }: StoragePlace): StoragePlace['record'] {
  return record === null || checked.has(record.name) ? null : record;
}

function offsetBytes({ offset, dtype }: PthTensor): number {
  return offset * bytesPerElement(dtype);
}

/** Stored bytes from the first element of a tensor to its last. */
function spanBytes(tensor: PthTensor): number {
  return elementSpan(tensor) * bytesPerElement(tensor.dtype);
}

const maxDepth = 64;
const maxEntries = 1_000_000;
/** Characters of one name, and of all together. */
const [maxName, maxNames] = [2 ** 14, 2 ** 26];

/**
 * All tensors of a value by their paths. The walk is bounded, as references may form circles or explode, and so is what
 * the tensors would take, as many may look at one storage.
 */
function findTensors(value: PickleValue, fileSize: number): Map<string, PthTensor> {
  const found = new Map<string, PthTensor>();
  let [visited, characters, bytes] = [0, 0, 0];
  const add = (name: string, tensor: PthTensor): void => {
    characters += name.length;
    bytes += tensor.byteLength;
    if (characters > maxNames) throw new PthError(`the names of tensors are longer than ${maxNames} characters`);
    if (bytes > 4 * fileSize + 2 ** 26) throw new PthError(`its tensors would take ${bytes} bytes and more`);
    if (found.has(name)) throw new PthError(`the name ${quoted(name)} stands for two tensors`);
    found.set(name, tensor);
  };
  const visit = (part: PickleValue, path: string, depth: number): void => {
    if (++visited > maxEntries) throw new PthError(`more than ${maxEntries} entries`);
    if (depth > maxDepth) throw new PthError(`nested deeper than ${maxDepth}; a container may hold itself`);
    if (path.length > maxName) throw new PthError(`a name has more than ${maxName} characters: ${quoted(path)}`);
    const below = (key: unknown): string => (depth === 0 ? String(key) : `${path}.${String(key)}`);
    if (part instanceof PthTensor) add(path, part);
    else if (part instanceof Map) for (const [key, entry] of part) visit(entry, below(key), depth + 1);
    else if (Array.isArray(part)) for (const [i, entry] of part.entries()) visit(entry, below(i), depth + 1);
  };
  visit(value, '', 0);
  return found;
}
