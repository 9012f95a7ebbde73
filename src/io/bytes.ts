/** Ranges of files: read into memory, or as memory: the system reads a page when it is first touched, and may drop it. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import koffi from 'koffi';

/** One system call moves at most 2 GiB, so long ranges come in parts. */
const part = 1 << 30;

/** Reads a file from `begin` on into `bytes`; returns how many came, fewer than wanted where the file ends. */
export async function fillBytes(file: FileHandle, bytes: Uint8Array, begin: number): Promise<number> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(part, bytes.length - done), begin + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** As {@link fillBytes}, of an open file descriptor, at once. */
export function fillBytesSync(file: number, bytes: Uint8Array, begin: number): number {
  let done = 0;
  while (done < bytes.length) {
    const count = readSync(file, bytes, done, Math.min(part, bytes.length - done), begin + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}

/** The first `length` bytes of `shared`, or new ones where it is not given or too short. */
export function bytesFor(length: number, shared?: Uint8Array): Uint8Array {
  return shared !== undefined && shared.length >= length ? shared.subarray(0, length) : new Uint8Array(length);
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
 * Bytes `begin` to `begin + length` of a file, mapped; null where the system cannot or the file ends early. The memory is the process's own:
 * writing to it leaves the file alone. Do not transfer its buffer to a worker, and do not shorten the file while the
 * bytes are in use: touching what is no longer there ends the process.
 */
export function mapBytes(path: string, begin: number, length: number): Uint8Array | null {
  mapper ??= findMapper();
  if (mapper === null || length === 0) return null;
  const lead = begin % pageBytes;
  const bytes = lead + length;
  const address = mapFile(mapper, path, begin - lead, bytes);
  if (address === null) return null;
  try {
    const buffer = koffi.view(BigInt(address), bytes);
    unmapper.register(buffer, { address, bytes });
    return new Uint8Array(buffer, lead, length);
  } catch {
    mapper.munmap(address, bytes); // some hosts allow no arrays over memory that is not theirs
    return null;
  }
}

function mapFile({ mmap, madvise }: Mapper, path: string, offset: number, bytes: number): Address | null {
  const file = openSync(path, 'r');
  try {
    if (fstatSync(file).size < offset + bytes) return null;
    const address = mmap(0, bytes, readAndWrite, isPrivate, file, offset);
    if (address === -1) return null;
    madvise(address, bytes, willNeed);
    return address;
  } finally {
    closeSync(file);
  }
}

/** The functions of the C library that Node itself runs on; null on Windows, whose interface is another. */
function findMapper(): Mapper | null {
  if (process.platform === 'win32') return null;
  try {
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
