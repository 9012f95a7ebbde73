/**
 * Reading PyTorch files (.pth, .pt, .bin, .ckpt) without PyTorch and without running what is in them: only tensors,
 * containers and plain values are understood, everything else is refused.
 */
import { closeSync, openSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { mapBytes } from './bytes.ts';
import { bytesPerElement, checkRows, type HostTensor } from './host-tensor.ts';
import { PickleError, type PickleValue } from './pickle-value.ts';
import { openArchive, type PthArchive } from './pth-archive.ts';
import { elementSpan, materialise, PthTensor } from './pth-tensor.ts';
import { PthError, readRange, readRangeSync } from './pth-zip.ts';
import type { EntriesOptions } from './safetensors.ts';

/** An open description of a PyTorch file: names and shapes are in memory, each tensor is read when asked for. */
export interface PthFile {
  readonly path: string;
  /** The saved object: dictionaries as maps, lists and tuples as arrays, tensors as {@link PthTensor}. */
  readonly value: PickleValue;
  /** Names of all tensors in the order saved; keys of nested containers are joined by dots. */
  names(): string[];
  has(name: string): boolean;
  /** Dtype, shape and strides of a tensor. */
  info(name: string): PthTensor;
  /**
   * Reads one tensor, by its name or its description: the bytes between its first and last element only. They lie at
   * the start of `into`, whose values are lost, if that is given and large enough.
   */
  read(tensor: string | PthTensor, into?: Uint8Array): Promise<HostTensor>;
  /** Reads `count` rows of the first axis from row `start` on: those bytes only. */
  readRows(name: string, start: number, count: number): Promise<HostTensor>;
  /**
   * A tensor whose memory is the file: the system reads what is touched, when it is touched, and may drop it again.
   * Strided views are copied; where files cannot be mapped, the tensor is read. The file must not be shortened while
   * the tensor is in use.
   */
  map(name: string): HostTensor;
  /** Reads tensors one after the other. */
  entries(options?: EntriesOptions): AsyncGenerator<[string, HostTensor]>;
  /** The part below a key, for example `generator_ema` of a training checkpoint. */
  at(key: string): PthFile;
}

/**
 * Opens a PyTorch file: reads and checks its pickle, no elements. No file handle stays open.
 *
 * @throws PthError if the file is broken or asks for anything but data.
 * @example
 * const vae = await openPth('Wan2.1_VAE.pth');
 * const weights = await Weights.stream(vae.entries());
 */
export async function openPth(path: string): Promise<PthFile> {
  const archive = await withFile(path, openArchive);
  return explained(path, () => describe(path, archive, archive.value));
}

function describe(path: string, archive: PthArchive, value: PickleValue): PthFile {
  const tensors = findTensors(value);
  const info = (name: string): PthTensor => {
    const found = tensors.get(name);
    if (found === undefined) throw new PthError(`${path}: no tensor "${name}" among ${tensors.size}`);
    return found;
  };
  const read = (tensor: PthTensor, into?: Uint8Array) =>
    withFile(path, (file) => readTensor(file, archive, tensor, into));
  return {
    path,
    value,
    names: () => [...tensors.keys()],
    has: (name) => tensors.has(name),
    info,
    read: (tensor, into) => read(typeof tensor === 'string' ? info(tensor) : tensor, into),
    readRows: (name, start, count) => read(rowsOf(info(name), start, count)),
    map: (name) => explained(path, () => mapTensor(path, archive, info(name))),
    async *entries({ reuse = false } = {}) {
      const largest = Math.max(0, ...[...tensors.values()].map(spanBytes));
      const shared = reuse ? new Uint8Array(largest) : undefined;
      const file = await open(path, 'r');
      try {
        for (const [name, tensor] of tensors) yield [name, await readTensor(file, archive, tensor, shared)];
      } catch (error) {
        throw named(path, error);
      } finally {
        await file.close();
      }
    },
    at: (key) => {
      const part = value instanceof Map ? value.get(key) : undefined;
      if (part === undefined) throw new PthError(`${path}: nothing is saved under "${key}"`);
      return describe(path, archive, part);
    },
  };
}

/** Some rows of a tensor as a view of its storage. */
function rowsOf({ storage, offset, shape, stride }: PthTensor, start: number, count: number): PthTensor {
  const [rows = 0, ...rest] = shape;
  checkRows(rows, start, count);
  return new PthTensor(storage, offset + start * (stride[0] ?? 0), [count, ...rest], stride);
}

async function readTensor(
  file: FileHandle,
  archive: PthArchive,
  tensor: PthTensor,
  shared?: Uint8Array,
): Promise<HostTensor> {
  return materialise(tensor, await readRange(file, firstByte(file.fd, archive, tensor), spanBytes(tensor), shared));
}

/** Typed arrays start at multiples of their element, which older files do not promise. */
function mapTensor(path: string, archive: PthArchive, tensor: PthTensor): HostTensor {
  const file = openSync(path, 'r');
  try {
    const [begin, length] = [firstByte(file, archive, tensor), spanBytes(tensor)];
    const isAligned = begin % bytesPerElement(tensor.dtype) === 0;
    const mapped = isAligned ? mapBytes(path, begin, length) : null;
    return materialise(tensor, mapped ?? readRangeSync(file, begin, length));
  } finally {
    closeSync(file);
  }
}

function firstByte(file: number, archive: PthArchive, { storage, offset, dtype }: PthTensor): number {
  return archive.locate(file, storage) + offset * bytesPerElement(dtype);
}

/** Stored bytes from the first element of a tensor to its last. */
function spanBytes(tensor: PthTensor): number {
  return elementSpan(tensor) * bytesPerElement(tensor.dtype);
}

const maxDepth = 64;
const maxEntries = 1_000_000;

/** All tensors of a value by their paths; the walk is bounded, as references may form circles or explode. */
function findTensors(value: PickleValue): Map<string, PthTensor> {
  const found = new Map<string, PthTensor>();
  let visited = 0;
  const visit = (part: PickleValue, path: readonly string[]): void => {
    if (++visited > maxEntries) throw new PthError(`more than ${maxEntries} entries`);
    if (path.length > maxDepth) throw new PthError(`nested deeper than ${maxDepth}; a container may hold itself`);
    if (part instanceof PthTensor) found.set(path.join('.'), part);
    else if (part instanceof Map) for (const [key, entry] of part) visit(entry, [...path, String(key)]);
    else if (Array.isArray(part)) for (const [i, entry] of part.entries()) visit(entry, [...path, String(i)]);
  };
  visit(value, []);
  return found;
}

/** Runs `use` on an open file and puts the path in front of what is wrong with it. */
async function withFile<T>(path: string, use: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r');
  try {
    return await use(file);
  } catch (error) {
    throw named(path, error);
  } finally {
    await file.close();
  }
}

function explained<T>(path: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw named(path, error);
  }
}

function named(path: string, error: unknown): unknown {
  const known = error instanceof PickleError || error instanceof PthError;
  return known ? new PthError(`${path}: ${error.message}`, { cause: error }) : error;
}
