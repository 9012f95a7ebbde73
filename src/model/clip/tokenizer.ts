/** CLIP's byte-level BPE tokenizer in the Hugging Face `tokenizer.json` form. */
import { Tokenizer } from '@huggingface/tokenizers';
import type { Tensor } from '../../engine/tf.ts';
import { readJsonObject } from '../../io/index.ts';
import { cutKeepingEnd, tokenBatch } from '../preprocess/token-batch.ts';

/** Turns texts into ids between the start and the end token. */
export interface ClipTokenizer {
  /** Ids of a text, all of them. */
  encode(text: string): number[];
  /** Ids int32 [B, length]: cut to `length` with the end token kept, filled up with 0. */
  batch(texts: readonly string[], length: number): Tensor;
}

/**
 * Reads the `tokenizer.json` of a CLIP checkpoint.
 *
 * @throws Error if the file is not a BPE tokenizer.
 * @example (await openClipTokenizer('clip-vit-large-patch14/tokenizer.json')).batch(['a photo of a cat'], 77)
 */
export async function openClipTokenizer(path: string): Promise<ClipTokenizer> {
  const json = (await readJsonObject(path)) as { model?: { type?: string } };
  if (json.model?.type !== 'BPE') {
    throw new Error(`${path}: model type is ${json.model?.type}; wanted the BPE model of CLIP`);
  }
  const tokenizer = new Tokenizer(json, {});
  const encode = (text: string) => tokenizer.encode(text).ids;
  return {
    encode,
    batch: (texts, length) => {
      const rows = texts.map((text) => cutKeepingEnd(encode(text), length));
      return tokenBatch(rows, length, 0);
    },
  };
}
