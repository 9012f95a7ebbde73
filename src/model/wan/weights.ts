/** Shapes of the transformer's weights, first values for them, and the names that published checkpoints give them. */
import type { HostTensor } from '../../io/index.ts';
import { elementCount } from '../../io/internal.ts';
import type { Key, Shapes } from '../../nn/index.ts';
import { constant, normal, xavierUniform } from '../../nn/internal.ts';
import { alike, biased, shapesIn } from '../layers/layers.ts';
import type { WanConfig } from './config.ts';

/**
 * Shape of every weight of a Wan transformer by its official name, in the order of the checkpoint's modules:
 * 15 outside of the blocks and 27 in each block.
 *
 * @example parameterCount(wanShapes(wanPresets['wan2.1-t2v-1.3b'])) // 1,418,996,800
 */
export function wanShapes(config: WanConfig): Shapes {
  const { dim, ffn_dim, freq_dim, text_dim, in_dim, out_dim, patch_size } = config;
  const gains = alike(['norm_q', 'norm_k'], { weight: [dim] });
  const attention = { ...alike(['q', 'k', 'v', 'o'], biased(dim, dim)), ...gains };
  const block = {
    modulation: [1, 6, dim],
    self_attn: attention,
    norm3: biased(dim),
    cross_attn: attention,
    ffn: { 0: biased(ffn_dim, dim), 2: biased(dim, ffn_dim) },
  };
  return shapesIn({
    patch_embedding: biased(dim, in_dim, ...patch_size),
    text_embedding: { 0: biased(dim, text_dim), 2: biased(dim, dim) },
    time_embedding: { 0: biased(dim, freq_dim), 2: biased(dim, dim) },
    time_projection: { 1: biased(6 * dim, dim) },
    blocks: alike(config.num_layers, block),
    head: { modulation: [1, 2, dim], head: biased(out_dim * elementCount(patch_size), dim) },
  });
}

/**
 * Fresh weights for training from scratch: Xavier uniform matrices (the patch convolution as one), N(0, 0.02²) for
 * the text and time embeddings, N(0, 1/D) modulation, gains 1, biases and the last layer 0.
 * Source: Wan2.1 wan/modules/model.py (`WanModel.init_weights`).
 */
export function* wanInitial(config: WanConfig, key: Key): Generator<[string, HostTensor]> {
  for (const [name, shape] of wanShapes(config)) yield [name, initial(name, shape, config, key)];
}

function initial(name: string, shape: readonly number[], { dim }: WanConfig, key: Key): HostTensor {
  const stream = key.stream(name);
  if (name.endsWith('.bias') || name === 'head.head.weight') return constant(0)(stream, shape);
  if (name.endsWith('modulation')) return normal(1 / Math.sqrt(dim))(stream, shape);
  if (shape.length === 1) return constant(1)(stream, shape);
  if (name.startsWith('text_embedding') || name.startsWith('time_embedding')) return normal(0.02)(stream, shape);
  const rows = elementCount(shape.slice(1));
  return { ...xavierUniform(stream, [shape[0]!, rows]), shape: [...shape] };
}

/** Replacements from official to diffusers names, in order; `norm2` and `norm3` change places. */
const replacements: readonly (readonly [RegExp, string])[] = [
  [/^time_embedding\.0/, 'condition_embedder.time_embedder.linear_1'],
  [/^time_embedding\.2/, 'condition_embedder.time_embedder.linear_2'],
  [/^text_embedding\.0/, 'condition_embedder.text_embedder.linear_1'],
  [/^text_embedding\.2/, 'condition_embedder.text_embedder.linear_2'],
  [/^time_projection\.1/, 'condition_embedder.time_proj'],
  [/^head\.head/, 'proj_out'],
  [/^head\.modulation/, 'scale_shift_table'],
  [/modulation$/, 'scale_shift_table'],
  [/\.ffn\.0\./, '.ffn.net.0.proj.'],
  [/\.ffn\.2\./, '.ffn.net.2.'],
  [/\.norm3\./, '.norm2.'],
  [/\.self_attn\./, '.attn1.'],
  [/\.cross_attn\./, '.attn2.'],
  [/\.(q|k|v)\.(weight|bias)$/, '.to_$1.$2'],
  [/\.o\.(weight|bias)$/, '.to_out.0.$1'],
];

/** Parts that adversarial critics add to the transformer; they are no part of it. */
const critics = /^(_cls_pred_branch|_register_tokens|_gan_ca_blocks)\b/;

/** Name of an official weight in diffusers' `WanTransformer3DModel`. */
export function diffusersName(official: string): string {
  return replacements.reduce((name, [from, to]) => name.replace(from, to), official);
}

/**
 * Official name of a weight under official or diffusers' names; null for the parts that adversarial critics add. Names
 * that are none of these come back as they are.
 */
export function officialNames(config: WanConfig): (name: string) => string | null {
  const translated = new Map([...wanShapes(config).keys()].map((name) => [diffusersName(name), name]));
  return (name) => (critics.test(name) ? null : (translated.get(name) ?? name));
}
