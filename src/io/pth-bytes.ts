import type { FileHandle } from 'node:fs/promises';
import { bytesFor, fillBytes, fillBytesSync } from './fill-bytes.ts';
import { PthError } from './pth-error.ts';

/** The bytes [begin, begin + length) of a file, at the start of `shared` if they fit, or in a buffer of their own. */
export async function readRange(
  file: FileHandle,
  begin: number,
  length: number,
  shared?: Uint8Array,
): Promise<Uint8Array> {
  if (begin < 0) throw new PthError('the file is too short');
  const bytes = bytesFor(length, shared);
  checkEnd(begin, await fillBytes(file, bytes, begin), length);
  return bytes;
}

/** As {@link readRange}, of an open file descriptor, at once: for the few bytes of a header, or to stand in for mapping. */
export function readRangeSync(file: number, begin: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  checkEnd(begin, fillBytesSync(file, bytes, begin), length);
  return bytes;
}

function checkEnd(begin: number, done: number, length: number): void {
  if (done < length) throw new PthError(`the file ends at byte ${begin + done}, ${length - done} bytes early`);
}
