/** Encoded prompts on disk, so that a prompt is encoded once and the encoder need not be there for it again. */
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostTensor, openSafetensors, writeSafetensors } from '../../io/index.ts';
import { bytesOf, refusalOf } from '../../io/internal.ts';

/** A folder of encoded prompts. */
export interface PromptCache {
  /** The rows [n, D] of a cleaned prompt, or undefined if they are not there or their file is damaged. */
  read(prompt: string): Promise<HostTensor | undefined>;
  /** Keeps rows [n, D]; a folder that cannot be written to keeps nothing. */
  write(prompt: string, rows: HostTensor): Promise<void>;
}

/**
 * A cache of one encoder's rows: one safetensors file for each prompt, written atomically, under the SHA-256 of the
 * prompt and of `encoder`, which identifies weights, tokenizer and length. Damaged files count as absent.
 */
export function promptCache(folder: string, encoder: string): PromptCache {
  const pathOf = (prompt: string): string => join(folder, `${sha256([encoder, '\0', prompt])}.safetensors`);
  return {
    read: async (prompt) => {
      try {
        const file = await openSafetensors(pathOf(prompt));
        const rows = await file.read('context');
        return file.metadata.get('sha256') === sha256([bytesOf(rows)]) ? rows : undefined;
      } catch {
        return undefined;
      }
    },
    write: async (prompt, rows) => {
      const about = { prompt, encoder, sha256: sha256([bytesOf(rows)]) };
      try {
        await mkdir(folder, { recursive: true });
        await writeSafetensors(pathOf(prompt), [['context', rows]], about);
      } catch (error) {
        if (refusalOf(error) === undefined) throw error;
      }
    },
  };
}

/** SHA-256 of parts, in hexadecimal. */
export function sha256(parts: Iterable<string | Uint8Array>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
