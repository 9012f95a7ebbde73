/**
 * The umT5 encoder: pre-norm blocks with unscaled attention, a relative position table of their own, and a gated
 * feed-forward part. Source: Wan2.1 wan/modules/t5.py (`T5Encoder`, `shared_pos=False`).
 */
import { attention, gelu, rmsNorm } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Shapes, type Tapped, type ValueTap } from '../../nn/index.ts';
import { sameShape, tapBelow } from '../../nn/internal.ts';
import { alike, shapesIn, splitHeads, unbiased } from '../layers/layers.ts';
import type { TokenBatch } from '../tokenizer/tokenizer.ts';

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
export function umt5Shapes({ vocab, dim, dim_attn, dim_ffn, num_heads, num_layers, num_buckets }: Umt5Config): Shapes {
  const block = {
    norm1: { weight: [dim] },
    attn: { ...alike(['q', 'k', 'v'], { weight: [dim_attn, dim] }), o: { weight: [dim, dim_attn] } },
    norm2: { weight: [dim] },
    ffn: {
      gate: { 0: { weight: [dim_ffn, dim] } },
      fc1: { weight: [dim_ffn, dim] },
      fc2: { weight: [dim, dim_ffn] },
    },
    pos_embedding: { embedding: { weight: [num_buckets, num_heads] } },
  };
  return shapesIn({
    token_embedding: { weight: [vocab, dim] },
    blocks: alike(num_layers, block),
    norm: { weight: [dim] },
  });
}

/** The configuration of a checkpoint, from the shapes of its weights under official names; a RangeError if they lack. */
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
 * Official name of a weight under official or transformers names (`UMT5EncoderModel`), null for one that repeats another
 * (`encoder.embed_tokens.weight`); other names come back as they are.
 */
export function umt5Name(name: string): string | null {
  if (name === 'shared.weight') return 'token_embedding.weight';
  if (name === 'encoder.embed_tokens.weight') return null;
  if (name === 'encoder.final_layer_norm.weight') return 'norm.weight';
  const [, block, part = ''] = /^encoder\.block\.(\d+)\.(.+)\.weight$/.exec(name) ?? [];
  const official = blockNames[part];
  return official === undefined ? name : `blocks.${block}.${official}.weight`;
}

/**
 * Encodes tokens: [B, L, dim] after the final norm. Rows of padding hold values too, which attend to the real
 * tokens but are seen by none.
 */
export function umt5Encode(net: Part<Umt5Config>, tokens: TokenBatch, { onValue }: Tapped = {}): Tensor {
  const { weights, config } = net;
  checkTokens(tokens);
  return tf.tidy(() => {
    let x: Tensor = tf.gather(weights.get('token_embedding.weight'), tokens.ids); // [B,L] → [B,L,D]
    const buckets = bucketIds(tokens.ids.shape[1]!, config.num_buckets);
    for (let i = 0; i < config.num_layers; i++) {
      const name = `blocks.${i}`;
      const input = { x, mask: tokens.mask, buckets };
      x = umt5Block({ weights: weights.at(name), config }, input, tapBelow(name, onValue));
      onValue?.(name, x);
    }
    return rmsNorm(x, weights.get('norm.weight'), epsilon);
  });
}

const epsilon = 1e-6;

/** What flows through a block. */
export interface BlockInput {
  /** [B, L, dim] */
  readonly x: Tensor;
  /** int32 [B, L], 1 = token. */
  readonly mask: Tensor;
  /** Bucket of key − query for each pair, int32 [L·L]. */
  readonly buckets: Tensor;
}

/** One block of the encoder on the weights below its prefix: x + attn(norm x), then x + ffn(norm x). */
export function umt5Block(net: Part<Umt5Config>, input: BlockInput, { onValue }: Tapped = {}): Tensor {
  const { weights } = net;
  return tf.tidy(() => {
    const attended = selfAttention(net, input, onValue);
    onValue?.('attn', attended);
    const x = tf.add(input.x, attended);
    const y = rmsNorm(x, weights.get('norm2.weight'), epsilon);
    const gate = gelu(unbiased(weights, 'ffn.gate.0', y), 'tanh');
    const change = unbiased(weights, 'ffn.fc2', tf.mul(unbiased(weights, 'ffn.fc1', y), gate));
    onValue?.('ffn', change);
    return tf.add(x, change);
  });
}

/** softmax(q kᵀ + bias) v without 1/√d; the bias depends on the bucket of key − query and the head. */
function selfAttention(net: Part<Umt5Config>, { x, mask, buckets }: BlockInput, onValue?: ValueTap): Tensor {
  const { weights, config } = net;
  const { num_heads, dim_attn } = config;
  const [batch, length] = x.shape as [number, number, number];
  const normed = rmsNorm(x, weights.get('norm1.weight'), epsilon);
  const heads = (name: string): Tensor => splitHeads(unbiased(weights, `attn.${name}`, normed), num_heads);
  const rows = tf.gather(weights.get('pos_embedding.embedding.weight'), buckets); // [L·L,N]
  const bias = rows.reshape([1, length, length, num_heads]).transpose([0, 3, 1, 2]); // [1,N,L,L]
  onValue?.('pos_embedding', bias);
  const keys = mask.reshape([batch, 1, 1, length]);
  const mixed = attention(heads('q'), heads('k'), heads('v'), { scale: 1, bias, mask: keys });
  return unbiased(weights, 'attn.o', mixed.reshape([batch, length, dim_attn]));
}

/** Buckets of all pairs of positions, row = query, column = key: int32 [L·L]. */
export function bucketIds(length: number, numBuckets: number): Tensor {
  const byDistance = Int32Array.from({ length: 2 * length - 1 }, (_, i) => relativeBucket(i - length + 1, numBuckets));
  const ids = Int32Array.from({ length: length * length }, (_, pair) => {
    const query = Math.floor(pair / length);
    const key = pair - query * length;
    return byDistance[key - query + length - 1]!;
  });
  return tf.tensor1d(ids, 'int32');
}

/**
 * Bucket of a distance key − query, both directions: half of the buckets for keys after the query; in each half the
 * first half counts single steps, the rest grows logarithmically up to `maxDistance`.
 */
export function relativeBucket(distance: number, numBuckets: number, maxDistance: number = 128): number {
  const half = numBuckets / 2;
  const exact = half / 2;
  const steps = Math.abs(distance);
  const offset = distance > 0 ? half : 0;
  if (steps < exact) return offset + steps;
  // float32 as in the reference, whose rounding decides on which side exact powers fall
  const octave = Math.fround(Math.fround(Math.log(Math.fround(steps / exact))) / Math.log(maxDistance / exact));
  const bucket = exact + Math.floor(Math.fround(octave * (half - exact)));
  return offset + Math.min(half - 1, bucket);
}

function checkTokens({ ids, mask }: TokenBatch): void {
  if (ids.rank !== 2 || !sameShape(ids.shape, mask.shape) || ids.dtype !== 'int32') {
    throw new RangeError(
      `ids have dtype ${ids.dtype} and shape [${ids.shape}], mask has shape [${mask.shape}]; wanted int32 [B, L] and the same`,
    );
  }
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
  prefixes: [
    ...['text_encoders.umt5xxl.transformer.', 'text_encoders.t5xxl.transformer.', 'cond_stage_model.'],
    ...['text_encoder.', 'umt5xxl.', 't5xxl.', 'transformer.', 'model.'],
  ],
  officialName: () => umt5Name,
  forward: umt5Encode,
});
