/** Encoded prompts on disk, so that a prompt is encoded once and the encoder need not be there for it again. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type HostTensor, openSafetensors, readJsonObject, writeAtomic, writeSafetensors } from '../../io/index.ts';
import { bytesOf, refusalOf } from '../../io/internal.ts';

/** A folder of encoded prompts. */
export interface PromptCache {
  /** The rows [n, D] of a cleaned prompt and its tokens, or undefined if they are not there or their file is damaged. */
  read(prompt: string, tokens: readonly number[]): Promise<HostTensor | undefined>;
  /** Keeps rows [n, D]; a folder that cannot be written to keeps nothing. */
  write(prompt: string, tokens: readonly number[], rows: HostTensor): Promise<void>;
}

/**
 * A cache of one encoder's rows: one safetensors file for each prompt, written atomically, under the SHA-256 of the
 * prompt, of its tokens and of `encoder`, which identifies the weights. Damaged files count as absent.
 */
export function promptCache(folder: string, encoder: string): PromptCache {
  const pathOf = (prompt: string, tokens: readonly number[]): string =>
    join(folder, `${sha256([encoder, '\0', tokens.join(' '), '\0', prompt])}.safetensors`);
  return {
    read: async (prompt, tokens) => {
      try {
        const file = await openSafetensors(pathOf(prompt, tokens));
        const rows = await file.read('context');
        return file.metadata.get('sha256') === sha256([bytesOf(rows)]) ? rows : undefined;
      } catch {
        return undefined;
      }
    },
    write: async (prompt, tokens, rows) => {
      const about = { prompt, encoder, sha256: sha256([bytesOf(rows)]) };
      await unlessRefused(async () => {
        await mkdir(folder, { recursive: true });
        await writeSafetensors(pathOf(prompt, tokens), [['context', rows]], about);
      });
    },
  };
}

/** What a file was when it was last read whole; its state are device, inode, size and times of the last changes. */
type KnownFile = Readonly<Record<'state' | 'sha256', string>>;

/**
 * Tells encoders apart by all bytes of their files, dtypes and scales included. Reading 11 GB takes seconds, so `folder`
 * remembers what a file held while nothing has touched it.
 */
export async function encoderIdentity(folder: string, files: readonly string[]): Promise<string> {
  const memory = join(folder, 'encoders.json');
  const known: Readonly<Record<string, unknown>> = await readJsonObject(memory).catch(() => ({}));
  const found: Record<string, KnownFile> = {};
  for (const path of files) {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    const state = [dev, ino, size, mtimeNs, ctimeNs].join(' ');
    const before = known[resolve(path)] as KnownFile | undefined;
    found[resolve(path)] = before?.state === state ? before : { state, sha256: await fileSha256(path) };
  }
  const isNew = Object.keys(found).some((path) => known[path] !== found[path]);
  if (isNew) {
    await unlessRefused(async () => {
      await mkdir(folder, { recursive: true });
      await writeAtomic(memory, JSON.stringify({ ...known, ...found }, null, 2));
    });
  }
  return sha256(Object.values(found).map((file) => file.sha256));
}

async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 22 }), hash);
  return hash.digest('hex');
}

/** Runs what writes to a folder; one that cannot be written to keeps nothing. */
async function unlessRefused(write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (refusalOf(error) === undefined) throw error;
  }
}

/** SHA-256 of parts, in hexadecimal. */
function sha256(parts: Iterable<string | Uint8Array>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
