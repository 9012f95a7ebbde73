/** Names of the umT5 encoder's weights in the two published forms, and loading from either. */
import { type Architecture, architecture } from '../../nn/index.ts';
import { umt5Encode } from './umt5.ts';
import { type Umt5Config, umt5Presets, umt5Shapes } from './umt5-config.ts';

const blockNames: Readonly<Record<string, string>> = {
  'layer.0.SelfAttention.q': 'attn.q',
  'layer.0.SelfAttention.k': 'attn.k',
  'layer.0.SelfAttention.v': 'attn.v',
  'layer.0.SelfAttention.o': 'attn.o',
  'layer.0.SelfAttention.relative_attention_bias': 'pos_embedding.embedding',
  'layer.0.layer_norm': 'norm1',
  'layer.1.layer_norm': 'norm2',
  'layer.1.DenseReluDense.wi_0': 'ffn.gate.0',
  'layer.1.DenseReluDense.wi_1': 'ffn.fc1',
  'layer.1.DenseReluDense.wo': 'ffn.fc2',
};

/**
 * Official name of a parameter that a transformers checkpoint (`UMT5EncoderModel`) calls `name`, or null for one
 * that repeats another (`encoder.embed_tokens.weight`).
 *
 * @throws Error for a name that such a checkpoint does not have.
 */
export function umt5OfficialName(name: string): string | null {
  if (name === 'shared.weight') return 'token_embedding.weight';
  if (name === 'encoder.embed_tokens.weight') return null;
  if (name === 'encoder.final_layer_norm.weight') return 'norm.weight';
  const [, block, part = ''] = /^encoder\.block\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const official = blockNames[part];
  if (official === undefined) throw new Error(`"${name}" is not a parameter of a transformers UMT5EncoderModel`);
  return `blocks.${block}.${official}.weight`;
}

/** Official name of a weight under official or transformers names; other names come back as they are. */
export function umt5Name(name: string): string | null {
  const [, block, part = ''] = /^encoder\.block\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const isKnown =
    block === undefined ? /^(shared|encoder\.(embed_tokens|final_layer_norm))\.weight$/.test(name) : part in blockNames;
  return isKnown ? umt5OfficialName(name) : name;
}

/**
 * The umT5 encoder; loads official and transformers' names.
 *
 * @example await umt5.load(umt5.presets['umt5-xxl'], (await openPth('models_t5_umt5-xxl-enc-bf16.pth')).entries())
 */
export const umt5: Architecture<Umt5Config, typeof umt5Encode, 'umt5-xxl'> = architecture({
  name: 'umT5 encoder',
  presets: umt5Presets,
  shapes: umt5Shapes,
  officialName: () => umt5Name,
  forward: umt5Encode,
});
