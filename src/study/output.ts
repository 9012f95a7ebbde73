import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const refusals: Readonly<Record<string, string>> = {
  EACCES: 'there is no permission to write to it',
  EPERM: 'there is no permission to write to it',
  EROFS: 'its file system is read-only',
  ENOSPC: 'its file system is full',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a part of the path is a file',
  ENOENT: 'its file system does not allow new folders there',
};

/**
 * Makes a folder if need be and proves that it can be written to, so that hours of work do not end in a refusal.
 *
 * @throws Error that says in words why it cannot.
 */
export async function prepareFolder(path: string): Promise<void> {
  const probe = join(path, `.probe-${randomBytes(6).toString('hex')}.tmp`);
  try {
    await mkdir(path, { recursive: true });
    await writeFile(probe, 'probe');
    await rm(probe);
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new Error(`cannot write to the folder ${path}: ${refusals[code] ?? message}; choose another folder`, {
      cause: error,
    });
  }
}
