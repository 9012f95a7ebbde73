import type { FileHandle } from 'node:fs/promises';
import { fillBytes } from './fill-bytes.ts';
import { PthError } from './pth-error.ts';

/** The bytes [begin, begin + length) of a file, at the start of `shared` or in a buffer of their own. */
export async function readRange(
  file: FileHandle,
  begin: number,
  length: number,
  shared?: Uint8Array,
): Promise<Uint8Array> {
  if (begin < 0) throw new PthError('the file is too short');
  const bytes = shared?.subarray(0, length) ?? new Uint8Array(length);
  const done = await fillBytes(file, bytes, begin);
  if (done < length) throw new PthError(`the file ends at byte ${begin + done}, ${length - done} bytes early`);
  return bytes;
}
