/** The umT5 tokenizer: a SentencePiece unigram model in the Hugging Face `tokenizer.json` form. */
import { Normalizer, PrecompiledNormalizer, SequenceNormalizer, Tokenizer } from '@huggingface/tokenizers';
import { readJsonObject } from '../../io/index.ts';
import { tokenBatch } from '../preprocess/token-batch.ts';
import { charsmapNormalizer } from './charsmap.ts';
import type { TokenBatch } from './umt5.ts';

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
