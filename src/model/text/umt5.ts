/**
 * The umT5 encoder: pre-norm blocks with unscaled attention, a relative position table of their own, and a gated
 * feed-forward part. Source: Wan2.1 wan/modules/t5.py (`T5Encoder`, `shared_pos=False`).
 */

import { attention, gelu, linear, rmsNorm } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Tapped, type ValueTap } from '../../nn/index.ts';
import { sameShape, tapBelow } from '../../nn/internal.ts';
import type { TokenBatch } from '../tokenizer/index.ts';
import { type Umt5Config, umt5Name, umt5Presets, umt5Shapes } from './umt5-weights.ts';

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
    const gate = gelu(linear(y, weights.get('ffn.gate.0.weight'), null), 'tanh');
    const hidden = tf.mul(linear(y, weights.get('ffn.fc1.weight'), null), gate);
    const change = linear(hidden, weights.get('ffn.fc2.weight'), null);
    onValue?.('ffn', change);
    return tf.add(x, change);
  });
}

/** softmax(q kᵀ + bias) v without 1/√d; the bias depends on the bucket of key − query and the head. */
function selfAttention(net: Part<Umt5Config>, { x, mask, buckets }: BlockInput, onValue?: ValueTap): Tensor {
  const {
    weights,
    config: { num_heads, dim_attn },
  } = net;
  const [batch, length] = x.shape as [number, number, number];
  const normed = rmsNorm(x, weights.get('norm1.weight'), epsilon);
  const heads = (name: string): Tensor =>
    linear(normed, weights.get(`attn.${name}.weight`), null).reshape([batch, length, num_heads, dim_attn / num_heads]);
  const rows = tf.gather(weights.get('pos_embedding.embedding.weight'), buckets); // [L·L,N]
  const bias = rows.reshape([1, length, length, num_heads]).transpose([0, 3, 1, 2]); // [1,N,L,L]
  onValue?.('pos_embedding', bias);
  const keys = mask.reshape([batch, 1, 1, length]);
  const mixed = attention(heads('q'), heads('k'), heads('v'), { scale: 1, bias, mask: keys });
  return linear(mixed.reshape([batch, length, dim_attn]), weights.get('attn.o.weight'), null);
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
    'text_encoders.umt5xxl.transformer.',
    'text_encoders.t5xxl.transformer.',
    'cond_stage_model.',
    'text_encoder.',
    'umt5xxl.',
    't5xxl.',
    'transformer.',
    'model.',
  ],
  officialName: () => umt5Name,
  forward: umt5Encode,
});
