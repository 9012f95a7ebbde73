/** BERT's uncased WordPiece, as BLIP and ImageReward use it, and CLIP's byte-level BPE, in the `tokenizer.json` form. */
import { readFile } from 'node:fs/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import { type Tensor, tf } from '../../engine/tf.ts';
import { readJsonObject } from '../../io/index.ts';

/** Token ids and what is real among them, int32 [B, L] each; mask 1 = token, 0 = padding. */
export interface TokenBatch {
  readonly ids: Tensor;
  readonly mask: Tensor;
}

/** The first tokens of a row and its last one, `length` in all; shorter rows as they are. */
export function cutKeepingEnd(row: readonly number[], length: number): readonly number[] {
  return row.length > length ? [...row.slice(0, length - 1), row.at(-1)!] : row;
}

/** Rows of ids as one tensor int32 [rows, length], filled up with `padding`; longer rows are cut. */
export function tokenBatch(rows: readonly (readonly number[])[], length: number, padding: number): Tensor {
  const data = rows.flatMap((row) => Array.from({ length }, (_, i) => row[i] ?? padding));
  return tf.tensor2d(Int32Array.from(data), [rows.length, length], 'int32');
}

/** Turns prompts into ids between [CLS] and [SEP]. */
export interface WordPieceTokenizer {
  /** Ids of a text, all of them. */
  encode(text: string): number[];
  /** Ids and mask of texts, int32 [B, length]: cut to `length` with [SEP] kept, filled up with [PAD]. */
  batch(texts: readonly string[], length: number): TokenBatch;
}

/**
 * Reads a WordPiece tokenizer: a `tokenizer.json`, or a `vocab.txt` with one piece a line.
 *
 * @throws Error if the file is not a WordPiece tokenizer.
 * @example (await openWordPiece('bert-base-uncased/tokenizer.json')).encode('a photo of a cat')
 */
export async function openWordPiece(path: string): Promise<WordPieceTokenizer> {
  const json = path.endsWith('.txt')
    ? fromVocabulary(await readFile(path, 'utf8'))
    : ((await readJsonObject(path)) as unknown as TokenizerJson);
  if (json.model?.type !== 'WordPiece') {
    throw new Error(`${path}: model type is ${json.model?.type}; wanted the WordPiece model of BERT`);
  }
  return wordPiece(json);
}

/** The parts of tokenizer.json that are looked at here. */
interface TokenizerJson extends Readonly<Record<string, unknown>> {
  readonly model: Readonly<Record<string, unknown>> & {
    readonly type: string;
    readonly vocab: Readonly<Record<string, number>>;
  };
}

function wordPiece(json: TokenizerJson): WordPieceTokenizer {
  const tokenizer = new Tokenizer(json, {});
  const padding = json.model.vocab['[PAD]'] ?? 0;
  const encode = (text: string) => tokenizer.encode(text).ids;
  return {
    encode,
    batch: (texts, length) => {
      const rows = texts.map((text) => cutKeepingEnd(encode(text), length));
      const masks = rows.map((row) => row.map(() => 1));
      return { ids: tokenBatch(rows, length, padding), mask: tokenBatch(masks, length, 0) };
    },
  };
}

/** The tokenizer.json of bert-base-uncased for another vocabulary, with the two tokens that BLIP adds at the end. */
function fromVocabulary(text: string): TokenizerJson {
  const listed = text.split(/\r?\n/).filter((piece, i, all) => piece !== '' || i < all.length - 1);
  const pieces = [...listed, ...['[DEC]', '[ENC]'].filter((piece) => !listed.includes(piece))];
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const special = pieces.filter((piece) => /^\[(PAD|UNK|CLS|SEP|MASK|DEC|ENC)\]$/.test(piece));
  return {
    added_tokens: special.map((content) => ({ id: vocab[content], content, special: true, normalized: false })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'BertProcessing', sep: ['[SEP]', vocab['[SEP]']], cls: ['[CLS]', vocab['[CLS]']] },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}

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
