import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { refusalOf } from './refusal.ts';

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
    const missing = code === 'ENOENT' ? 'its file system does not allow new folders there' : message;
    throw new Error(`cannot write to the folder ${path}: ${refusalOf(error) ?? missing}; choose another folder`, {
      cause: error,
    });
  }
}
