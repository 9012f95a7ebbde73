import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** What {@link writeAtomic} writes: a text, bytes, or chunks of bytes made one after the other. */
export type FileContent = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file so that readers see the old content or the new, never a part: into a temporary file beside it,
 * synced, then renamed over it. A failure leaves the old file and no temporary one.
 *
 * @example await writeAtomic('run/config.json', JSON.stringify(config, null, 2))
 */
export async function writeAtomic(path: string, content: FileContent): Promise<void> {
  const aside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(aside, 'wx');
    try {
      for await (const chunk of chunksOf(content)) await writeAll(file, chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

function chunksOf(content: FileContent): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  if (typeof content === 'string') return [Buffer.from(content)];
  return content instanceof Uint8Array ? [content] : content;
}

/** One system call moves at most 2 GiB, so long chunks go in parts. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  const part = 1 << 30;
  let done = 0;
  while (done < bytes.byteLength) {
    const length = Math.min(part, bytes.byteLength - done);
    const { bytesWritten } = await file.write(bytes, done, length);
    done += bytesWritten;
  }
}

/** Makes the rename itself durable; platforms that cannot open a folder (Windows) go without. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}
