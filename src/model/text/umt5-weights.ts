/** Sizes of the umT5 encoder, the shapes of its weights and their names in the two published forms. */
import type { Shapes } from '../../nn/index.ts';

/** Sizes of a umT5 encoder, in the names of Wan2.1's constructor (wan/modules/t5.py, `T5Encoder`). */
export interface Umt5Config {
  /** Rows of the token table. */
  readonly vocab: number;
  /** Width of tokens. */
  readonly dim: number;
  /** Width of queries, keys and values, all heads together. */
  readonly dim_attn: number;
  readonly dim_ffn: number;
  readonly num_heads: number;
  readonly num_layers: number;
  /** Buckets of relative positions; each layer has its own table. */
  readonly num_buckets: number;
}

/** Named configurations; `umt5-xxl` is the text encoder of Wan2.1. */
export const umt5Presets: Readonly<Record<'umt5-xxl', Umt5Config>> = {
  'umt5-xxl': {
    vocab: 256384,
    dim: 4096,
    dim_attn: 4096,
    dim_ffn: 10240,
    num_heads: 64,
    num_layers: 24,
    num_buckets: 32,
  },
};

/** Shape of each parameter by its official name; what a checkpoint must hold. */
export function umt5Shapes(config: Umt5Config): Shapes {
  const blocks = Array.from({ length: config.num_layers }, (_, i) => blockShapes(config, `blocks.${i}`));
  return new Map([
    ['token_embedding.weight', [config.vocab, config.dim]],
    ...blocks.flat(),
    ['norm.weight', [config.dim]],
  ]);
}

/**
 * The configuration of a checkpoint, from the shapes of its weights under official names.
 *
 * @throws RangeError if a weight that it is read from is not there.
 */
export function umt5ConfigOf(shapes: Shapes): Umt5Config {
  const shape = (name: string): readonly number[] => {
    const found = shapes.get(name);
    if (found === undefined) throw new RangeError(`the weights hold no ${name}: this is not a umT5 encoder`);
    return found;
  };
  const [vocab = 0, dim = 0] = shape('token_embedding.weight');
  const [num_buckets = 0, num_heads = 0] = shape('blocks.0.pos_embedding.embedding.weight');
  const blocks = new Set([...shapes.keys()].map((name) => /^blocks\.(\d+)\./.exec(name)?.[1]));
  blocks.delete(undefined);
  return {
    vocab,
    dim,
    dim_attn: shape('blocks.0.attn.q.weight')[0]!,
    dim_ffn: shape('blocks.0.ffn.fc1.weight')[0]!,
    num_heads,
    num_layers: blocks.size,
    num_buckets,
  };
}

function blockShapes({ dim, dim_attn, dim_ffn, num_heads, num_buckets }: Umt5Config, block: string) {
  const shapes: [string, number[]][] = [
    ['norm1.weight', [dim]],
    ['attn.q.weight', [dim_attn, dim]],
    ['attn.k.weight', [dim_attn, dim]],
    ['attn.v.weight', [dim_attn, dim]],
    ['attn.o.weight', [dim, dim_attn]],
    ['norm2.weight', [dim]],
    ['ffn.gate.0.weight', [dim_ffn, dim]],
    ['ffn.fc1.weight', [dim_ffn, dim]],
    ['ffn.fc2.weight', [dim, dim_ffn]],
    ['pos_embedding.embedding.weight', [num_buckets, num_heads]],
  ];
  return shapes.map(([name, shape]): [string, number[]] => [`${block}.${name}`, shape]);
}

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
