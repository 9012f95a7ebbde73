import { type Architecture, architecture } from '../../nn/index.ts';
import { type WanConfig, type WanPreset, wanPresets } from './config.ts';
import { wanForward } from './forward.ts';
import { wanInitial } from './init.ts';
import { wanShapes } from './shapes.ts';

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

/** Wrappers that training frameworks leave in the names of a checkpoint. */
const wrappers = /_fsdp_wrapped_module\.|_checkpoint_wrapped_module\.|_orig_mod\./g;

/** Parts that adversarial critics add to the transformer; they are no part of it. */
const critics = /^(_cls_pred_branch|_register_tokens|_gan_ca_blocks)\b/;

/** Name of an official weight in diffusers' `WanTransformer3DModel`. */
export function diffusersName(official: string): string {
  return replacements.reduce((name, [from, to]) => name.replace(from, to), official);
}

/**
 * Official name of a weight in any published checkpoint: official, diffusers, or Self-Forcing's `model.` with the
 * wrappers of its training framework; null for the parts that adversarial critics add. Names that are none of these
 * come back as they are.
 */
export function officialNames(config: WanConfig): (name: string) => string | null {
  const translated = new Map([...wanShapes(config).keys()].map((name) => [diffusersName(name), name]));
  return (name) => {
    const plain = name.replace(wrappers, '').replace(/^model\./, '');
    return critics.test(plain) ? null : (translated.get(plain) ?? plain);
  };
}

/**
 * Wan2.1's text-to-video transformer; loads official, diffusers' and Self-Forcing's names.
 *
 * @example await wan.load(config, (await openSafetensors('diffusion_pytorch_model.safetensors')).entries())
 */
export const wan: Architecture<WanConfig, typeof wanForward, WanPreset> = architecture({
  name: 'Wan transformer',
  presets: wanPresets,
  shapes: wanShapes,
  officialName: officialNames,
  initial: wanInitial,
  isHidden: (name) => name.startsWith('blocks.'),
  forward: wanForward,
});
