/** Captions as numbers: token ids for judges, rows of a fixed table for the diffusion model. */
import type { Tensor } from '../engine/tf.ts';
import { type TableTextEncoder, type TextEncoder, tableTextEncoder } from '../model/internal.ts';
import { random } from '../nn/index.ts';

/** The text encoder of a world: makes what it needs when first asked for text states. */
export interface WorldText extends TextEncoder {
  encode(prompts: readonly string[]): Tensor;
  /** Releases what it holds; the next call makes it anew. */
  dispose(): void;
}

/** What the text states of a world are made with. */
export interface TextSizes {
  readonly seed: number | string;
  /** Width of a word's row. */
  readonly textDim: number;
  /** Rows of a caption. */
  readonly textLen: number;
}

/** Words with their token ids: padding is 0, the start of a caption 1. */
export function vocabularyOf(words: readonly string[]): string[] {
  return ['[PAD]', '[CLS]', ...words];
}

/**
 * Token ids of a caption: `[CLS]`, its words, then `[PAD]` up to `length`.
 *
 * @throws on a word outside the vocabulary and on a caption that does not fit.
 */
export function tokenize(words: readonly string[], caption: string, length: number): number[] {
  const vocabulary = vocabularyOf(words);
  const tokens = ['[CLS]', ...caption.toLowerCase().split(/\s+/).filter(Boolean)].map((word) => {
    const id = vocabulary.indexOf(word);
    if (id >= 0) return id;
    throw new Error(`"${word}" in caption "${caption}" is not one of: ${words.join(' ')}`);
  });
  if (tokens.length <= length) return [...tokens, ...new Array<number>(length - tokens.length).fill(0)];
  throw new RangeError(`caption "${caption}" has ${tokens.length} tokens, length is ${length}: raise length`);
}

/** The text states of a world that has no encoder of its own: a table of the seed, made when first asked for. */
export function wordText(words: readonly string[], { seed, ...sizes }: TextSizes): WorldText {
  let table: TableTextEncoder | null = null;
  return {
    id: `table of ${words.length} words, seed ${seed}`,
    encode: (prompts) => {
      table ??= tableTextEncoder({ ...sizes, vocabulary: vocabularyOf(words), key: random.key(seed).stream('text') });
      return table.encode(prompts);
    },
    dispose: () => {
      table?.weights.dispose();
      table = null;
    },
  };
}
