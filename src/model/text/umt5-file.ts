/** Wan2.1's text encoder straight from its files, block by block: nothing of it stays in memory between prompts. */
import { rmsNorm } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { HostTensor } from '../../io/index.ts';
import { elementCount } from '../../io/internal.ts';
import { type Shapes, toHost, toTensor, Weights } from '../../nn/index.ts';
import { checkFinite, copiesUploads, widener } from '../../nn/internal.ts';
import type { Checkpoint } from '../checkpoint/checkpoint.ts';
import type { PromptTokenizer, TokenBatch } from '../tokenizer/tokenizer.ts';
import { cleanPrompt } from './clean-text.ts';
import { encoderIdentity, type PromptCache, promptCache } from './prompt-cache.ts';
import { bucketIds, type Umt5Config, umt5Block, umt5ConfigOf, umt5Name, umt5Shapes } from './umt5.ts';

/** Options of {@link umt5FileEncoder}. */
export interface Umt5FileOptions {
  readonly file: Checkpoint;
  readonly tokenizer: PromptTokenizer;
  /** Tokens that a prompt is cut to. @defaultValue 512, as Wan2.1 */
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
 * The text encoder of a Wan2.1 folder: cleans and tokenises a prompt, looks it up in the cache, and otherwise reads the
 * encoder block by block. Only the real tokens are encoded: in the original padding is masked and changes no row.
 */
export async function umt5FileEncoder(options: Umt5FileOptions): Promise<Umt5FileEncoder> {
  const { file, tokenizer, textLen = 512, cache: folder } = options;
  const source = officialSource(file);
  const config = umt5ConfigOf(source.shapes);
  let cache: Promise<PromptCache | null> | undefined;
  const openCache = async (): Promise<PromptCache | null> =>
    folder === null ? null : promptCache(folder, await encoderIdentity(folder, file.files));
  const encodeOne = async (text: string): Promise<HostTensor> => {
    cache ??= openCache(); // looks at the whole file, so not before there is a prompt
    const kept = await cache;
    const prompt = cleanPrompt(text);
    const tokens = tokenizer.encode(prompt).slice(0, textLen);
    const known = await kept?.read(prompt, tokens);
    if (known !== undefined) return known;
    const rows = await encodeAnew(source, config, tokenizer.batch([prompt], tokens.length));
    await kept?.write(prompt, tokens, rows);
    return rows;
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
export function umt5FileConfig(file: Checkpoint): Umt5Config {
  return umt5ConfigOf(officialSource(file).shapes);
}

/** @throws Error naming a weight that holds NaN or infinity. */
async function encodeAnew(source: OfficialSource, config: Umt5Config, tokens: TokenBatch): Promise<HostTensor> {
  const encoded = await umt5EncodeFrom(source, config, tokens);
  const rows = tf.squeeze(encoded, [0]); // [1, n, D] -> [n, D]
  const host = await toHost(rows);
  tf.dispose([tokens.ids, tokens.mask, encoded, rows]);
  try {
    checkFinite('the rows of the prompt', host);
  } catch (error) {
    for (const name of source.shapes.keys()) checkFinite(name, await source.read(name)); // the weight to blame
    throw error;
  }
  return host;
}

/** Rows of several prompts, the shorter ones filled up with zeros: [B, n, D]. */
function stacked(all: readonly HostTensor[]): Tensor {
  const longest = Math.max(...all.map(({ shape }) => shape[0]!));
  return tf.tidy(() => {
    const missing = (rows: HostTensor): [number, number] => [0, longest - rows.shape[0]!];
    return tf.stack(all.map((rows) => tf.pad(toTensor(rows), [missing(rows), [0, 0]])));
  });
}

/** Where tensors are read from by official name. */
export type TensorSource = Pick<Checkpoint, 'read' | 'readRows'>;

interface OfficialSource extends TensorSource {
  readonly shapes: Shapes;
}

/** A file read by official names, whichever of the published ones it has. */
function officialSource(file: Checkpoint): OfficialSource {
  const places = new Map<string, string>();
  for (const name of file.names()) {
    const official = umt5Name(name);
    if (official !== null) places.set(official, name);
  }
  const place = (official: string): string => places.get(official) ?? official;
  return {
    shapes: new Map([...places].map(([official, name]) => [official, file.info(name).shape])),
    read: (name, into) => file.read(place(name), into),
    readRows: (name, start, count) => file.readRows(place(name), start, count),
  };
}

/**
 * As `umt5Encode`, with weights read block by block from a file, so that the 5.7 billion parameters of umT5-XXL need the
 * memory of one block, and of the token table only the rows of the tokens are read.
 */
export async function umt5EncodeFrom(source: TensorSource, config: Umt5Config, tokens: TokenBatch): Promise<Tensor> {
  const buckets = bucketIds(tokens.ids.shape[1]!, config.num_buckets);
  const read = blockReader(source, config);
  let x = await embed(source, tokens.ids);
  for (let i = 0; i < config.num_layers; i++) {
    const block = await Weights.stream(read(`blocks.${i}.`), { trainable: false });
    const y = umt5Block({ weights: block, config }, { x, mask: tokens.mask, buckets });
    await y.data(); // an engine may put work off, and the weights go now
    tf.dispose([x]);
    block.dispose();
    x = y;
  }
  const gain = await source.read('norm.weight');
  const out = tf.tidy(() => rmsNorm(x, toTensor(gain), 1e-6));
  tf.dispose([x, buckets]);
  return out;
}

/** Rows of the token table for ids [B, L], each read once: [B, L, D]. */
async function embed(source: TensorSource, ids: Tensor): Promise<Tensor> {
  const list = Array.from(await ids.data());
  const rows = new Map<number, HostTensor>();
  for (const id of new Set(list)) rows.set(id, await source.readRows('token_embedding.weight', id, 1));
  return tf.tidy(() => {
    const picked = new Map([...rows].map(([id, row]) => [id, toTensor(row)]));
    const joined = tf.concat(list.map((id) => picked.get(id)!)); // L of [1, D] -> [B L, D]
    return tf.reshape(joined, [...ids.shape, -1]);
  });
}

/** Reads the tensors of blocks without their prefix, each into the memory of the one before where that may be. */
function blockReader(source: TensorSource, config: Umt5Config) {
  const inBlocks = [...umt5Shapes(config)].filter(([name]) => name.startsWith('blocks.'));
  const largest = Math.max(...inBlocks.map(([, shape]) => elementCount(shape)));
  const shared = copiesUploads() ? new Uint8Array(4 * largest) : undefined; // what is not touched takes no memory
  const widen = widener();
  return async function* (prefix: string): AsyncGenerator<[string, HostTensor]> {
    for (const [name] of inBlocks) {
      if (name.startsWith(prefix)) yield [name.slice(prefix.length), widen(await source.read(name, shared))];
    }
  };
}
