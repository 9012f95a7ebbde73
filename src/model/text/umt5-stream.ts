import { rmsNorm } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { HostTensor } from '../../io/index.ts';
import { elementCount } from '../../io/internal.ts';
import { copiesUploads, toTensor, Weights, widener } from '../../nn/index.ts';
import { bucketIds, type TokenBatch, umt5Block } from './umt5.ts';
import { type Umt5Config, umt5Shapes } from './umt5-config.ts';

/** Where tensors are read from by official name: an open safetensors or PyTorch file. */
export interface TensorSource {
  /** Reads a tensor; it may lie at the start of `into`, if that is given and large enough. */
  read(name: string, into?: Uint8Array): Promise<HostTensor>;
  /** `count` rows of a tensor from row `start` on. */
  readRows(name: string, start: number, count: number): Promise<HostTensor>;
}

/**
 * As `umt5Encode`, with weights read block by block from a file, so that the 5.7 billion parameters of umT5-XXL need
 * the memory of one block, and of the token table only the rows of the tokens are read. The result [B, L, dim] belongs to the caller.
 *
 * @example
 * const file = await openPth('models_t5_umt5-xxl-enc-bf16.pth');
 * const rows = await umt5EncodeFrom(file, umt5Presets['umt5-xxl'], tokenizer.batch([prompt], 512));
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
