/** Files of this library: written whole or not at all, read with errors that name the path, and the package's own. */
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { mkdir, open, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withFile } from './bytes.ts';

/** The folder of this package's package.json, from the built files as from the sources. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** The version in package.json. */
export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}

/** What {@link writeAtomic} writes: a text, bytes, or chunks of bytes made one after the other. */
export type FileContent = string | Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/**
 * Writes a file so that readers see the old content or the new, never a part: into a temporary file beside it,
 * synced, then renamed over it. A failure leaves the old file and no temporary one.
 *
 * @throws Error with the path that says in words why it cannot be written: a full disk, a folder or device in its place.
 * @example await writeAtomic('run/config.json', JSON.stringify(config, null, 2))
 */
export async function writeAtomic(path: string, content: FileContent): Promise<void> {
  const there = await stat(path).catch(() => null);
  if (there !== null && !there.isFile()) {
    const kind = there.isDirectory() ? 'folder' : 'pipe, socket or device';
    throw new Error(`cannot write ${path}: a ${kind} is in its place; choose another path`);
  }
  const aside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(aside, 'wx');
    try {
      await writeFile(file, content); // in parts: one system call moves at most 2 GiB
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined); // what went wrong before is what matters
    throw inWords(path, error);
  }
  await syncFolder(dirname(path));
}

/** An error of the file system with the path that was to be written; others, such as those of a source, as they are. */
function inWords(path: string, error: unknown): unknown {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (syscall === undefined) return error;
  const why = refusalOf(error) ?? (code === 'ENOENT' ? 'its folder is not there' : message);
  return Object.assign(new Error(`cannot write ${path}: ${why}`, { cause: error }), { code });
}

/** Makes the rename itself durable; platforms that cannot open a folder (Windows) go without. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r').catch(() => undefined);
  await folder?.sync().catch(() => undefined);
  await folder?.close();
}

/** For `catch`: `value` where a file or folder is not there; what else went wrong is thrown on. */
export function ifAbsent<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}

/**
 * Makes a folder if need be and proves that it can be written to, so that hours of work do not end in a refusal. The
 * file that proves it loses its name before it is written: whatever happens then, none stays.
 *
 * @throws Error that says in words why it cannot.
 */
export async function prepareFolder(path: string): Promise<void> {
  const probe = join(path, `.probe-${randomBytes(6).toString('hex')}.tmp`);
  try {
    await mkdir(path, { recursive: true });
    const file = openSync(probe, 'wx');
    try {
      unlinkSync(probe);
      writeSync(file, 'probe');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    const missing = code === 'ENOENT' ? 'its file system does not allow new folders there' : message;
    const why = refusalOf(error) ?? missing;
    throw new Error(`cannot write to the folder ${path}: ${why}; choose another folder`, { cause: error });
  }
}

const refusals: Readonly<Record<string, string>> = {
  EACCES: 'there is no permission to write to it',
  EPERM: 'there is no permission to write to it',
  EROFS: 'its file system is read-only',
  ENOSPC: 'its file system is full',
  EDQUOT: 'its file system is full',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a part of the path is a file',
};

/** Why the file system refused to write to a folder, in words; undefined for errors of any other kind. */
export function refusalOf(error: unknown): string | undefined {
  return refusals[(error as NodeJS.ErrnoException).code ?? ''];
}

/**
 * The object in a JSON file; a byte order mark is skipped.
 *
 * @throws Error with the path if the file is no JSON (cut short, say) or holds something else than an object.
 */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const value = parsed(path, (await withFile(path, (file) => file.readFile('utf8'))).replace(/^\ufeff/, ''));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TypeError(`${path}: wanted a JSON object`);
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is no JSON (${(error as Error).message}); has it been copied whole?`, { cause: error });
  }
}
