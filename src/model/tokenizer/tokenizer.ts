/**
 * Tokenizers in the `tokenizer.json` form: umT5's SentencePiece unigram model with its precompiled normalisation map,
 * BERT's uncased WordPiece, as BLIP and ImageReward use it, and CLIP's byte-level BPE.
 */
import { readFile } from 'node:fs/promises';
import { Normalizer, PrecompiledNormalizer, SequenceNormalizer, Tokenizer } from '@huggingface/tokenizers';
import { type Tensor, tf } from '../../engine/tf.ts';
import { readJsonObject } from '../../io/index.ts';

/** Token ids and what is real among them, int32 [B, L] each; mask 1 = token, 0 = padding. */
export interface TokenBatch {
  readonly ids: Tensor;
  readonly mask: Tensor;
}

/** Turns text into token ids; cleaning is the caller's, see `cleanPrompt`. */
export interface PromptTokenizer {
  /** Ids of a text with its end token, all of them. */
  encode(text: string): number[];
  /** Ids and mask of texts, int32 [B, length]: cut to `length` with the end token kept, filled up with padding. */
  batch(texts: readonly string[], length: number): TokenBatch;
}

/** Turns texts into ids between the start and the end token. */
export interface ClipTokenizer {
  /** Ids of a text, all of them. */
  encode(text: string): number[];
  /** Ids int32 [B, length]: cut to `length` with the end token kept, filled up with 0. */
  batch(texts: readonly string[], length: number): Tensor;
}

/** The parts of tokenizer.json that are looked at here. */
interface TokenizerJson {
  readonly model: {
    readonly type: string;
    readonly unk_id?: number;
    readonly byte_fallback?: boolean;
    readonly vocab: Readonly<Record<string, number>>;
  };
  readonly added_tokens: readonly { readonly id: number | undefined; readonly content: string }[];
}

/** @throws Error if the file's model is of another type. */
async function readTokenizer(path: string, type: string, family: string): Promise<TokenizerJson> {
  const json = path.endsWith('.txt') ? fromVocabulary(await readFile(path, 'utf8')) : await readJsonObject(path);
  const { model } = json as unknown as Partial<TokenizerJson>;
  if (model?.type === type) return json as unknown as TokenizerJson;
  throw new Error(`${path}: model type is ${model?.type}; wanted the ${type} model of ${family}`);
}

/** Rows of ids; of longer ones the first tokens and the last one, `length` in all. */
function rowsOf(tokenizer: Tokenizer, texts: readonly string[], length: number): number[][] {
  return texts.map((text) => {
    const { ids } = tokenizer.encode(text);
    return ids.length > length ? [...ids.slice(0, length - 1), ids.at(-1)!] : ids;
  });
}

/** Rows of ids as one tensor int32 [rows, length], filled up with `padding`. */
function padded(rows: readonly (readonly number[])[], length: number, padding: number): Tensor {
  const data = rows.flatMap((row) => Array.from({ length }, (_, i) => row[i] ?? padding));
  return tf.tensor2d(Int32Array.from(data), [rows.length, length], 'int32');
}

function masked(rows: readonly (readonly number[])[], length: number, padding: number): TokenBatch {
  const masks = rows.map((row) => row.map(() => 1));
  return { ids: padded(rows, length, padding), mask: padded(masks, length, 0) };
}

/**
 * Reads the `tokenizer.json` of a CLIP checkpoint.
 *
 * @throws Error if the file is not a BPE tokenizer.
 * @example (await openClipTokenizer('clip-vit-large-patch14/tokenizer.json')).batch(['a photo of a cat'], 77)
 */
export async function openClipTokenizer(path: string): Promise<ClipTokenizer> {
  const tokenizer = new Tokenizer(await readTokenizer(path, 'BPE', 'CLIP'), {});
  return {
    encode: (text) => tokenizer.encode(text).ids,
    batch: (texts, length) => padded(rowsOf(tokenizer, texts, length), length, 0),
  };
}

/**
 * Reads a WordPiece tokenizer: a `tokenizer.json`, or a `vocab.txt` with one piece a line.
 *
 * @throws Error if the file is not a WordPiece tokenizer.
 * @example (await openWordPiece('bert-base-uncased/tokenizer.json')).encode('a photo of a cat')
 */
export async function openWordPiece(path: string): Promise<PromptTokenizer> {
  const json = await readTokenizer(path, 'WordPiece', 'BERT');
  const tokenizer = new Tokenizer(json, {});
  const padding = json.model.vocab['[PAD]'] ?? 0;
  return {
    encode: (text) => tokenizer.encode(text).ids,
    batch: (texts, length) => masked(rowsOf(tokenizer, texts, length), length, padding),
  };
}

/** The tokenizer.json of bert-base-uncased for another vocabulary, with the two tokens that BLIP adds at the end. */
function fromVocabulary(text: string): object {
  const listed = text.split(/\r?\n/).filter((piece, i, all) => piece !== '' || i < all.length - 1);
  const pieces = [...listed, ...['[DEC]', '[ENC]'].filter((piece) => !listed.includes(piece))];
  const vocab = Object.fromEntries(pieces.map((piece, id) => [piece, id]));
  const special = pieces.filter((piece) => /^\[(PAD|UNK|CLS|SEP|MASK|DEC|ENC)\]$/.test(piece));
  const cleaning = { clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true };
  return {
    added_tokens: special.map((content) => ({ id: vocab[content], content, special: true, normalized: false })),
    normalizer: { type: 'BertNormalizer', ...cleaning },
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

/**
 * Reads a `tokenizer.json` of the T5 family.
 *
 * @throws Error if the file is not a unigram tokenizer.
 * @example
 * const tokenizer = await openTokenizer('google/umt5-xxl/tokenizer.json');
 * tokenizer.encode('A cat runs.');
 */
export async function openTokenizer(path: string): Promise<PromptTokenizer> {
  const json = await readTokenizer(path, 'Unigram', 'the T5 family');
  const { model, added_tokens } = json;
  const tokenizer = new Tokenizer(json, {});
  tokenizer.normalizer = exact(tokenizer.normalizer);
  const special = new Set(added_tokens.map((token) => token.content));
  const byteToken = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`; // what no piece covers
  const bytesOf = (token: string) => Array.from(Buffer.from(token), (byte) => tokenizer.token_to_id(byteToken(byte))!);
  const pieces = (text: string): number[] => {
    const { ids, tokens } = tokenizer.encode(text, { add_special_tokens: false });
    const falls = (id: number, i: number) => model.byte_fallback && id === model.unk_id && !special.has(tokens[i]!);
    return ids.flatMap((id, i) => (falls(id, i) ? bytesOf(tokens[i]!) : [id]));
  };
  const ending = tokenizer.encode('').ids;
  const padding = added_tokens.find((token) => token.content === '<pad>')?.id ?? 0;
  return {
    encode: (text) => [...pieces(text), ...ending],
    batch: (texts, length) => {
      const rows = texts.map((text) => [...pieces(text).slice(0, length - ending.length), ...ending]);
      return masked(rows, length, padding);
    },
  };
}

/** A precompiled map applied as written; the tokenizer library only comes close. */
class ExactNormalizer extends Normalizer {
  readonly apply: (text: string) => string;

  constructor({ config }: PrecompiledNormalizer) {
    super(config);
    this.apply = charsmapNormalizer(config.precompiled_charsmap);
  }

  normalize(text: string): string {
    return this.apply(text);
  }
}

function exact(normalizer: Normalizer | null): Normalizer | null {
  if (normalizer instanceof SequenceNormalizer) normalizer.normalizers = normalizer.normalizers.map(exact);
  return normalizer instanceof PrecompiledNormalizer ? new ExactNormalizer(normalizer) : normalizer;
}

/**
 * The function that applies a `precompiled_charsmap` (base64): a double-array trie of UTF-8 sequences whose values point
 * to their replacements. Sources: darts-clone's unit layout; Hugging Face spm_precompiled for how text is cut.
 */
export function charsmapNormalizer(base64: string): (text: string) => string {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length < 4 || bytes.readUInt32LE(0) % 4 !== 0 || 4 + bytes.readUInt32LE(0) > bytes.length) {
    throw new RangeError(`precompiled_charsmap of ${bytes.length} bytes is broken: its trie does not fit`);
  }
  const trieEnd = 4 + bytes.readUInt32LE(0);
  const units = Uint32Array.from({ length: (trieEnd - 4) / 4 }, (_, i) => bytes.readUInt32LE(4 + 4 * i));
  const replacements = bytes.subarray(trieEnd);
  const replace = (part: string): string | undefined => {
    const start = firstMatch(units, Buffer.from(part));
    return start === undefined ? undefined : replacements.toString('utf8', start, replacements.indexOf(0, start));
  };
  return (text) => Array.from(graphemes.segment(text), ({ segment }) => normaliseGrapheme(segment, replace)).join('');
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Short graphemes are looked up whole first; otherwise each character is. */
function normaliseGrapheme(grapheme: string, replace: (part: string) => string | undefined): string {
  const whole = Buffer.byteLength(grapheme) < 6 ? replace(grapheme) : undefined;
  return whole ?? Array.from(grapheme, (character) => replace(character) ?? character).join('');
}

/** Value of the shortest key that begins `text`. Unit: bit 8 = has a value, bits 0 to 7 and 31 label, the rest offset. */
function firstMatch(units: Uint32Array, text: Uint8Array): number | undefined {
  let node = offset(units[0] ?? 0);
  for (const byte of text) {
    if (byte === 0) return undefined;
    node ^= byte;
    const unit = units[node] ?? 0;
    if ((unit & 0x800000ff) >>> 0 !== byte) return undefined;
    node ^= offset(unit);
    if ((unit >>> 8) & 1) return (units[node] ?? 0) & 0x7fffffff;
  }
  return undefined;
}

function offset(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
