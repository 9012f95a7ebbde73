import { rmsNorm } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import type { HostTensor } from '../../io/index.ts';
import { toTensor, Weights } from '../../nn/index.ts';
import { bucketIds, type TokenBatch, umt5Block } from './umt5.ts';
import { type Umt5Config, umt5Shapes } from './umt5-config.ts';

/** Where tensors are read from by official name: an open safetensors or PyTorch file. */
export interface TensorSource {
  read(name: string): Promise<HostTensor>;
}

/**
 * As `umt5Encode`, with weights read block by block from a file, so that the 5.7 billion parameters of umT5-XXL need
 * the memory of the token table and one block. The result [B, L, dim] belongs to the caller.
 *
 * @example
 * const file = await openPth('models_t5_umt5-xxl-enc-bf16.pth');
 * const rows = await umt5EncodeFrom(file, umt5Presets['umt5-xxl'], tokenizer.batch([prompt], 512));
 */
export async function umt5EncodeFrom(source: TensorSource, config: Umt5Config, tokens: TokenBatch): Promise<Tensor> {
  const buckets = bucketIds(tokens.ids.shape[1]!, config.num_buckets);
  let x = await embed(source, tokens.ids);
  for (let i = 0; i < config.num_layers; i++) {
    const block = await readBlock(source, config, `blocks.${i}.`);
    const y = umt5Block(block, config, { x, mask: tokens.mask, buckets });
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

/** Rows of the token table for ids [B, L], picked on the host: [B, L, D]. */
async function embed(source: TensorSource, ids: Tensor): Promise<Tensor> {
  const { dtype, shape, data } = await source.read('token_embedding.weight');
  const width = shape[1]!;
  const rows = new Map<number, number>();
  const list = Array.from(await ids.data());
  for (const id of list) if (!rows.has(id)) rows.set(id, rows.size);
  const picked = data.slice(0, rows.size * width);
  for (const [id, row] of rows) picked.set(data.subarray(id * width, (id + 1) * width) as never, row * width);
  return tf.tidy(() => {
    const table = toTensor({ dtype, shape: [rows.size, width], data: picked });
    const index = tf.tensor(
      list.map((id) => rows.get(id)!),
      ids.shape,
      'int32',
    );
    return tf.gather(table, index);
  });
}

async function readBlock(source: TensorSource, config: Umt5Config, prefix: string): Promise<Weights> {
  const names = [...umt5Shapes(config).keys()].filter((name) => name.startsWith(prefix));
  const entries: [string, HostTensor][] = [];
  for (const name of names) entries.push([name.slice(prefix.length), await source.read(name)]);
  return Weights.from(entries, { trainable: false });
}
