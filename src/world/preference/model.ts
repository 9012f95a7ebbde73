import { attention, conv2d, gelu, layerNorm, linear } from '../../engine/ops/index.ts';
import { type Tensor, type Tensor2D, tf } from '../../engine/tf.ts';
import { affine, joinHeads, selfAttention, splitHeads } from '../../model/internal.ts';
import { type Part, toSigned, type WeightView } from '../../nn/index.ts';
import type { PreferenceConfig } from './config.ts';

/** Classes of what pictures show, by name, such as `{ thing: 12, place: 4 }`. */
export type Attributes = Readonly<Record<string, number>>;

const VISION_EPS = 1e-6;
const TEXT_EPS = 1e-5;

/**
 * Image tokens of a pre-norm ViT with a convolutional stem.
 *
 * @param frames - [B, H, W, 3] in [0, 1]
 * @returns [B, 1 + L, D], the class token first
 */
export function encodeFrames(net: Part<PreferenceConfig>, frames: Tensor): Tensor {
  const { weights, config } = net;
  const vision = weights.at('vision');
  const half = { stride: 2, padding: 1 };
  const wide = gelu(conv2d(toSigned(frames), ...affine(vision, 'stem.0'), half));
  const quarter = conv2d(wide, ...affine(vision, 'stem.1'), half); // [B, H/4, W/4, D]
  const patches = config.stride === 8 ? conv2d(gelu(quarter), ...affine(vision, 'stem.2'), half) : quarter;
  const [batch, height, width, depth] = patches.shape as [number, number, number, number];
  const tokens = tf.reshape(patches, [batch, height * width, depth]); // [B, h, w, D] -> [B, L, D]
  const cls = tf.tile(vision.get('cls_token'), [batch, 1, 1]);
  let x: Tensor = tf.add(tf.concat([cls, tokens], 1), vision.get('pos_embed'));
  for (let i = 0; i < config.visionLayers; i++) x = visionBlock({ weights: vision.at(`blocks.${i}`), config }, x);
  return layerNorm(x, ...affine(vision, 'norm'), VISION_EPS);
}

function visionBlock(net: Part<PreferenceConfig>, x: Tensor): Tensor {
  const {
    weights,
    config: { heads },
  } = net;
  const normed = layerNorm(x, ...affine(weights, 'norm1'), VISION_EPS);
  const qkv = linear(normed, ...affine(weights, 'attn.qkv')); // [B, L, 3 D]
  const mixed = linear(selfAttention(qkv, heads), ...affine(weights, 'attn.proj'));
  const y = tf.add(x, mixed);
  return tf.add(y, feedForward(weights.at('mlp'), layerNorm(y, ...affine(weights, 'norm2'), VISION_EPS)));
}

/**
 * Caption states of a post-norm BERT that looks at the image in each layer.
 *
 * @param tokens - int32 [B, L], 0 is padding
 * @param image - [B, 1 + patches, D] from `encodeFrames`
 * @returns [B, L, D]
 */
export function encodeCaptions(net: Part<PreferenceConfig>, tokens: Tensor, image: Tensor): Tensor {
  const { weights, config } = net;
  const text = weights.at('text');
  const [batch, length] = tokens.shape as [number, number];
  const words = tf.oneHot(tf.reshape(tokens, [batch * length]).toInt(), config.vocabulary).toFloat(); // [B L, V]
  const looked = tf.reshape(tf.matMul(words as Tensor2D, text.get('embeddings.word.weight') as Tensor2D), [
    batch,
    length,
    -1,
  ]);
  const embedded = tf.add(looked, text.get('embeddings.position.weight'));
  let x: Tensor = layerNorm(embedded, ...affine(text, 'embeddings.norm'), TEXT_EPS);
  const mask = tf.reshape(tf.cast(tf.greater(tokens, 0), 'float32'), [batch, 1, 1, length]); // [B, L] -> [B, 1, 1, L]
  for (let i = 0; i < config.textLayers; i++)
    x = textLayer({ weights: text.at(`layers.${i}`), config }, x, image, mask);
  return x;
}

function textLayer(net: Part<PreferenceConfig>, x: Tensor, image: Tensor, mask: Tensor): Tensor {
  const {
    weights,
    config: { heads },
  } = net;
  const own = attend(weights.at('attention'), x, x, heads, mask);
  const seen = attend(weights.at('crossattention'), own, image, heads, null);
  const mlp = weights.at('mlp');
  return layerNorm(tf.add(seen, feedForward(mlp, seen)), ...affine(mlp, 'norm'), TEXT_EPS);
}

/** Attention with its residual and norm. */
function attend(weights: WeightView, x: Tensor, source: Tensor, heads: number, mask: Tensor | null): Tensor {
  const project = (part: string, from: Tensor): Tensor => splitHeads(linear(from, ...affine(weights, part)), heads);
  const mixed = attention(project('query', x), project('key', source), project('value', source), { mask });
  const out = linear(joinHeads(mixed), ...affine(weights, 'output'));
  return layerNorm(tf.add(x, out), ...affine(weights, 'norm'), TEXT_EPS);
}

function feedForward(weights: WeightView, x: Tensor): Tensor {
  return linear(gelu(linear(x, ...affine(weights, 'fc1'))), ...affine(weights, 'fc2'));
}

/** Raw score [B] of captions [B, L] for image tokens [B, 1 + patches, D]: the caption's state at [CLS] through two layers. */
export function scoreCaptions(net: Part<PreferenceConfig>, tokens: Tensor, image: Tensor): Tensor {
  const { weights } = net;
  const states = encodeCaptions(net, tokens, image);
  const [batch, , width] = states.shape as [number, number, number];
  const first = tf.reshape(tf.slice(states, [0, 0, 0], [batch, 1, width]), [batch, width]); // [B, 1, D] -> [B, D]
  const hidden = gelu(linear(first, ...affine(weights, 'head.0')));
  return tf.reshape(linear(hidden, ...affine(weights, 'head.1')), [batch]); // [B, 1] -> [B]
}

/** Logits [B, classes] of each attribute from the mean of the patch tokens; used in training only. */
export function attributeLogits(weights: WeightView, image: Tensor, attributes: Attributes): Record<string, Tensor> {
  const [batch, tokens, width] = image.shape as [number, number, number];
  const patches = tf.slice(image, [0, 1, 0], [batch, tokens - 1, width]);
  const logits = linear(tf.mean(patches, 1), ...affine(weights, 'attributes')); // [B, all classes]
  let at = 0;
  return Object.fromEntries(
    Object.entries(attributes).map(([name, classes]) => {
      const own = tf.slice(logits, [0, at], [batch, classes]);
      at += classes;
      return [name, own];
    }),
  );
}

/** Raw scores [B] of frames [B, H, W, 3] under captions int32 [B, L]. */
export function preferenceForward(net: Part<PreferenceConfig>, frames: Tensor, tokens: Tensor): Tensor {
  return scoreCaptions(net, tokens, encodeFrames(net, frames));
}
