/** A model of random weights in the official layout: for tests and for notebooks where the real files are absent. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type HostTensor, writeAtomic, writeSafetensors } from '../../io/index.ts';
import type { Key, Net, Shapes } from '../../nn/index.ts';
import { normal } from '../../nn/internal.ts';
import { umt5Shapes } from '../text/umt5.ts';
import { vae as autoencoder } from '../vae/codec.ts';
import type { VaeConfig } from '../vae/config.ts';
import type { WanConfig } from '../wan/config.ts';
import { wan } from '../wan/pass.ts';

/** Sizes of {@link writeRandomWan}; the defaults are the tiny presets. */
export interface RandomWanOptions {
  readonly dit?: WanConfig;
  readonly vae?: VaeConfig;
}

/**
 * Writes a model of random weights as a folder that `openWan` opens: the files and names of Wan-AI/Wan2.1-T2V-1.3B,
 * with safetensors in the place of its two PyTorch files, and a tokenizer that reads bytes.
 *
 * @example await writeRandomWan('tiny-wan', random.key(1));
 */
export async function writeRandomWan(
  folder: string,
  key: Key,
  { dit = wan.presets.tiny, vae = autoencoder.presets.tiny }: RandomWanOptions = {},
): Promise<void> {
  const tokenizer = byteTokenizer();
  await mkdir(join(folder, 'google', 'umt5-xxl'), { recursive: true });
  await writeAtomic(join(folder, 'google', 'umt5-xxl', 'tokenizer.json'), JSON.stringify(tokenizer));
  await writeAtomic(join(folder, 'config.json'), JSON.stringify(officialConfig(dit), null, 2));
  const sizes = { dim: dit.text_dim, dim_attn: dit.text_dim, dim_ffn: 2 * dit.text_dim, num_buckets: 32 };
  const text = umt5Shapes({ ...sizes, num_heads: 2, num_layers: 2, vocab: tokenizer.model.vocab.length });
  await writeSafetensors(join(folder, 'models_t5_umt5-xxl-enc-bf16.safetensors'), randomText(text, key.stream('text')));
  await writeSafetensors(join(folder, 'Wan2.1_VAE.safetensors'), await taken(autoencoder.init(vae, key.stream('vae'))));
  const transformer = await taken(wan.init(dit, key.stream('dit')));
  const head = transformer.get('head.head.weight')!; // zero for training from scratch
  transformer.set('head.head.weight', normal(1 / Math.sqrt(dit.dim))(key.stream('head'), head.shape));
  await writeSafetensors(join(folder, 'diffusion_pytorch_model.safetensors'), transformer, { format: 'pt' });
}

/** The keys that the official config.json has. */
function officialConfig({ dim, ffn_dim, freq_dim, in_dim, out_dim, num_heads, num_layers, text_len, eps }: WanConfig) {
  return { model_type: 't2v', dim, eps, ffn_dim, freq_dim, in_dim, num_heads, num_layers, out_dim, text_len };
}

/** Matrices that keep the size of what passes through them, gains of 1. */
function randomText(shapes: Shapes, key: Key): Map<string, HostTensor> {
  const values = [...shapes].map(([name, shape]): [string, HostTensor] => {
    const isGain = shape.length === 1;
    const drawn = normal(isGain ? 0.1 : 1 / Math.sqrt(shape[1]!))(key.stream(name), shape);
    return [name, isGain ? { ...drawn, data: (drawn.data as Float32Array).map((value) => 1 + value) } : drawn];
  });
  return new Map(values);
}

async function taken(net: Net<unknown>): Promise<Map<string, HostTensor>> {
  const host = await net.weights.toHost();
  net.dispose();
  return host;
}

/** A unigram tokenizer without words: every text is spelled in UTF-8 bytes. */
function byteTokenizer() {
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`);
  const special = ['<pad>', '</s>', '<unk>'];
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const space = { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({ id, content, ...flags })),
    normalizer: null,
    pre_tokenizer: space,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ Sequence: { id: 'A', type_id: 0 } }, { SpecialToken: { id: '</s>', type_id: 0 } }],
      pair: [],
      special_tokens: { '</s>': { id: '</s>', ids: [1], tokens: ['</s>'] } },
    },
    decoder: space,
    model: {
      type: 'Unigram',
      unk_id: 2,
      vocab: [...special, ...bytes, '▁'].map((piece, i) => [piece, i < special.length ? 0 : -10] as const),
      byte_fallback: true,
    },
  };
}
