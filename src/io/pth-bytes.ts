import type { FileHandle } from 'node:fs/promises';
import { PthError } from './pth-error.ts';

/** One system call moves at most 2 GiB, so long ranges come in parts. */
const part = 2 ** 30;

/** The bytes [begin, begin + length) of a file, in a buffer of their own. */
export async function readRange(file: FileHandle, begin: number, length: number): Promise<Uint8Array> {
  if (begin < 0) throw new PthError('the file is too short');
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, Math.min(part, length - done), begin + done);
    if (bytesRead === 0) throw new PthError(`the file ends at byte ${begin + done}, ${length - done} bytes early`);
    done += bytesRead;
  }
  return bytes;
}
