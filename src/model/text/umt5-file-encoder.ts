/** Wan2.1's text encoder straight from its files: nothing of it stays in memory between prompts. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { HostDType, HostTensor } from '../../io/index.ts';
import { bytesOf } from '../../io/internal.ts';
import { toHost, toTensor } from '../../nn/index.ts';
import { cleanPrompt } from './clean-text.ts';
import { type PromptCache, promptCache, sha256 } from './prompt-cache.ts';
import type { PromptTokenizer } from './tokenizer.ts';
import { type Umt5Config, umt5ConfigOf } from './umt5-config.ts';
import { umt5Name } from './umt5-names.ts';
import { type TensorSource, umt5EncodeFrom } from './umt5-stream.ts';

/** A file of weights: an open checkpoint. */
export interface WeightsFile extends TensorSource {
  names(): string[];
  info(name: string): { readonly dtype: HostDType; readonly shape: readonly number[] };
}

/** Options of {@link umt5FileEncoder}. */
export interface Umt5FileOptions {
  readonly file: WeightsFile;
  readonly tokenizer: PromptTokenizer;
  /** Tokens that a prompt is cut to (default 512, as Wan2.1). */
  readonly textLen?: number;
  /** Folder that keeps encoded prompts; null encodes anew each time. */
  readonly cache: string | null;
}

/** Encodes prompts from files, on demand. */
export interface Umt5FileEncoder {
  readonly config: Umt5Config;
  readonly textLen: number;
  /** Rows [B, n, dim] of the prompts' tokens, those after a shorter prompt's end zero; they belong to the caller. */
  encode(prompts: readonly string[]): Promise<Tensor>;
}

/**
 * The text encoder of a Wan2.1 folder: cleans and tokenises a prompt, looks it up in the cache, and otherwise reads
 * the encoder block by block. Only the real tokens are encoded: padding is masked in the original, so that it
 * changes no row.
 */
export async function umt5FileEncoder(options: Umt5FileOptions): Promise<Umt5FileEncoder> {
  const { tokenizer, textLen = 512 } = options;
  const source = officialSource(options.file);
  const config = umt5ConfigOf(source.shapes);
  const { cache: folder } = options;
  const cache = folder === null ? null : promptCache(folder, await identityOf(source, tokenizer, textLen));
  const encodeOne = async (text: string): Promise<HostTensor> => {
    const prompt = cleanPrompt(text);
    return (await cache?.read(prompt)) ?? encodeAnew(prompt, { source, config, tokenizer, textLen, cache });
  };
  return {
    config,
    textLen,
    encode: async (prompts) => {
      const rows: HostTensor[] = [];
      for (const prompt of prompts) rows.push(await encodeOne(prompt));
      return stacked(rows);
    },
  };
}

/** Sizes of the encoder in a file, under official or diffusers names. */
export function umt5FileConfig(file: WeightsFile): Umt5Config {
  return umt5ConfigOf(officialSource(file).shapes);
}

interface Encoding {
  source: OfficialSource;
  config: Umt5Config;
  tokenizer: PromptTokenizer;
  textLen: number;
  cache: PromptCache | null;
}

async function encodeAnew(
  prompt: string,
  { source, config, tokenizer, textLen, cache }: Encoding,
): Promise<HostTensor> {
  const tokens = tokenizer.batch([prompt], Math.min(tokenizer.encode(prompt).length, textLen));
  const encoded = await umt5EncodeFrom(source, config, tokens);
  const rows = tf.squeeze(encoded, [0]); // [1, n, D] -> [n, D]
  const host = await toHost(rows);
  tf.dispose([tokens.ids, tokens.mask, encoded, rows]);
  await cache?.write(prompt, host);
  return host;
}

/** Rows of several prompts, the shorter ones filled up with zeros: [B, n, D]. */
function stacked(all: readonly HostTensor[]): Tensor {
  const longest = Math.max(...all.map(({ shape }) => shape[0]!));
  return tf.tidy(() => {
    const padded = all.map((rows) => {
      const short: [number, number] = [0, longest - rows.shape[0]!];
      return tf.pad(toTensor(rows), [short, [0, 0]]);
    });
    return tf.stack(padded);
  });
}

interface OfficialSource extends TensorSource {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
}

/** A file read by official names, whichever of the published ones it has. */
function officialSource(file: WeightsFile): OfficialSource {
  const named = file.names().map((name) => [umt5Name(name), name] as const);
  const places = new Map(named.filter((entry): entry is [string, string] => entry[0] !== null));
  const place = (official: string): string => places.get(official) ?? official;
  return {
    shapes: new Map([...places].map(([official, name]) => [official, file.info(name).shape])),
    read: (name, into) => file.read(place(name), into),
    readRows: (name, start, count) => file.readRows(place(name), start, count),
  };
}

/** Tells encoders apart without reading all of them: shapes, the smallest weights, and how the tokenizer cuts. */
async function identityOf(source: OfficialSource, tokenizer: PromptTokenizer, textLen: number): Promise<string> {
  const shapes = [...source.shapes].map(([name, shape]) => `${name} ${shape}`).sort();
  const small = [...source.shapes.keys()].filter((name) => /norm\d?\.weight$/.test(name)).sort();
  const parts: (string | Uint8Array)[] = [String(textLen), ...shapes];
  for (const name of small) parts.push(bytesOf(await source.read(name)));
  parts.push(String(tokenizer.encode('The quick brown fox jumps over 13 lazy dogs. 一只猫')));
  return sha256(parts);
}
