import { readSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

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
