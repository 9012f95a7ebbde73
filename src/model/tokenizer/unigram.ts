/**
 * The umT5 tokenizer: a SentencePiece unigram model in the Hugging Face `tokenizer.json` form, with its precompiled
 * normalisation map, a double-array trie of UTF-8 sequences whose values point to their replacements.
 * Sources: darts-clone's unit layout; Hugging Face spm_precompiled for how text is cut.
 */
import { Normalizer, PrecompiledNormalizer, SequenceNormalizer, Tokenizer } from '@huggingface/tokenizers';
import { readJsonObject } from '../../io/index.ts';
import { type TokenBatch, tokenBatch } from './word-pieces.ts';

/** Turns text into token ids; cleaning is the caller's, see `cleanPrompt`. */
export interface PromptTokenizer {
  /** Ids of a text with its end token. */
  encode(text: string): number[];
  /** Ids and mask of texts, int32 [B, length]: cut to `length` with the end token kept, filled up with padding. */
  batch(texts: readonly string[], length: number): TokenBatch;
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
  const json = (await readJsonObject(path)) as unknown as TokenizerJson;
  if (json.model?.type !== 'Unigram') {
    throw new Error(`${path}: model type is ${json.model?.type}; wanted the Unigram model of the T5 family`);
  }
  return promptTokenizer(json);
}

/** The parts of tokenizer.json that are looked at here. */
interface TokenizerJson {
  readonly model: { readonly type: string; readonly unk_id: number; readonly byte_fallback?: boolean };
  readonly added_tokens: readonly { readonly id: number; readonly content: string }[];
}

function promptTokenizer(json: TokenizerJson): PromptTokenizer {
  const { model, added_tokens } = json;
  const tokenizer = new Tokenizer(json, {});
  tokenizer.normalizer = exact(tokenizer.normalizer);
  const special = new Set(added_tokens.map((token) => token.content));
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
      const masks = rows.map((row) => row.map(() => 1));
      return { ids: tokenBatch(rows, length, padding), mask: tokenBatch(masks, length, 0) };
    },
  };
}

/** SentencePiece's name of a byte that no piece covers. */
function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
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
 * SentencePiece's precompiled normalisation map: a double-array trie of UTF-8 sequences whose values point to their
 * replacements. Sources: darts-clone's unit layout; Hugging Face spm_precompiled for how text is cut.
 */

/** Returns the function that applies a map, given as in tokenizer.json (`precompiled_charsmap`, base64). */
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
