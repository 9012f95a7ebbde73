/** Ranges of files: read into memory, or as memory: the system reads a page when it is first touched, and may drop it. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import koffi from 'koffi';

/** A file that ends before the bytes wanted of it. */
export class FileEndError extends Error {
  override name = 'FileEndError';
}

/**
 * Opens a file for reading, but nothing that merely looks like one: a named pipe would block until someone writes.
 *
 * @throws Error with the path for a folder, pipe, socket or device.
 */
export async function openFile(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const found = await file.stat();
  if (found.isFile()) return file;
  await file.close();
  throw new Error(`${path} is a ${found.isDirectory() ? 'folder' : 'pipe, socket or device'}; wanted a file`);
}

/** Runs `use` on a file that is open while it runs; `explain` may put another error in the place of one. */
export async function withFile<T>(
  path: string,
  use: (file: FileHandle) => Promise<T>,
  explain: (error: unknown) => unknown = (error) => error,
): Promise<T> {
  const file = await openFile(path);
  try {
    return await use(file);
  } catch (error) {
    throw explain(error);
  } finally {
    await file.close();
  }
}

/** Puts the path in front of what is wrong with a file: errors of its `Kind`, of those `also`, and its early end. */
export function explainer(
  path: string,
  Kind: ErrorClass,
  also: readonly ErrorClass[] = [],
): (error: unknown) => unknown {
  const known = [Kind, FileEndError, ...also];
  return (error) =>
    known.some((kind) => error instanceof kind)
      ? new Kind(`${path}: ${(error as Error).message}`, { cause: error })
      : error;
}

type ErrorClass = new (message: string, options?: ErrorOptions) => Error;

/** One system call moves at most 2 GiB, so long ranges come in parts. */
const part = 1 << 30;

/**
 * The bytes [begin, begin + length) of a file, at the start of `shared` if they fit, or in a buffer of their own.
 *
 * @throws FileEndError if the file ends before.
 */
export async function readRange(
  file: FileHandle,
  begin: number,
  length: number,
  shared?: Uint8Array,
): Promise<Uint8Array> {
  const isEnough = shared !== undefined && shared.length >= length;
  const bytes = isEnough ? shared.subarray(0, length) : new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file.read(bytes, done, Math.min(part, length - done), begin + done);
    if (bytesRead === 0) throw endError(begin + done, length - done);
    done += bytesRead;
  }
  return bytes;
}

/** As {@link readRange}, of an open file descriptor, at once: for the few bytes of a header, or to stand in for mapping. */
export function readRangeSync(file: number, begin: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = readSync(file, bytes, done, Math.min(part, length - done), begin + done);
    if (count === 0) throw endError(begin + done, length - done);
    done += count;
  }
  return bytes;
}

function endError(at: number, missing: number): FileEndError {
  return new FileEndError(`the file ends at byte ${at}, ${missing} bytes early; has it been cut?`);
}

type Address = number;

/** The C functions used; an address of -1 is a failure. */
interface Mapper {
  mmap(hint: Address, bytes: number, protection: number, flags: number, file: number, offset: number): Address;
  munmap(address: Address, bytes: number): number;
  madvise(address: Address, bytes: number, advice: number): number;
}

const readAndWrite = 3;
/** What is written stays in the process: the file does not change. */
const isPrivate = 2;
const willNeed = 3;

/** Offsets must be whole pages; no system has larger ones. */
const pageBytes = 65536;

let mapper: Mapper | null | undefined;
/** Unmaps when the last array over a part is collected. */
const unmapper = new FinalizationRegistry<{ address: Address; bytes: number }>(({ address, bytes }) => {
  mapper?.munmap(address, bytes);
});

/**
 * Bytes `begin` to `begin + length` of an open file, mapped where the system can and `begin` is a multiple of
 * `alignment`, else read. The memory is the process's own: writing to it leaves the file alone. Do not transfer its
 * buffer to a worker, and do not shorten the file while the bytes are in use: touching what is no longer there ends
 * the process.
 *
 * @throws FileEndError if the file ends before.
 */
export function mapRange(file: number, begin: number, length: number, alignment: number): Uint8Array {
  const isAligned = begin % alignment === 0;
  return (isAligned ? mapBytes(file, begin, length) : null) ?? readRangeSync(file, begin, length);
}

function mapBytes(file: number, begin: number, length: number): Uint8Array | null {
  mapper ??= findMapper();
  if (mapper === null || length === 0) return null;
  const lead = begin % pageBytes;
  const bytes = lead + length;
  if (fstatSync(file).size < begin + length) return null;
  const address = mapper.mmap(0, bytes, readAndWrite, isPrivate, file, begin - lead);
  if (address === -1) return null;
  mapper.madvise(address, bytes, willNeed);
  try {
    const buffer = koffi.view(BigInt(address), bytes);
    unmapper.register(buffer, { address, bytes });
    return new Uint8Array(buffer, lead, length);
  } catch {
    mapper.munmap(address, bytes); // some hosts allow no arrays over memory that is not theirs
    return null;
  }
}

/** The functions of the C library that Node itself runs on; null on Windows, whose interface is another. */
function findMapper(): Mapper | null {
  if (process.platform === 'win32') return null;
  try {
    const { sync_stack_size } = koffi.config() as { sync_stack_size: number };
    // koffi's settings are fixed by the first library that it loads, and engines need this much stack
    if (sync_stack_size < 16 << 20) koffi.config({ sync_stack_size: 16 << 20, sync_heap_size: 2 << 20 });
    const c = koffi.load(null);
    return {
      mmap: c.func('mmap', 'intptr_t', ['intptr_t', 'size_t', 'int', 'int', 'int', 'int64_t']),
      munmap: c.func('munmap', 'int', ['intptr_t', 'size_t']),
      madvise: c.func('madvise', 'int', ['intptr_t', 'size_t', 'int']),
    } as unknown as Mapper;
  } catch {
    return null;
  }
}

/** Runs `use` on a file that is open while it runs, under its descriptor. */
export function withOpenFile<T>(path: string, use: (file: number) => T): T {
  const file = openSync(path, 'r');
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}
