/**
 * ImageReward: a ViT reads the image, a BERT with cross attention to it reads the prompt, an affine head scores the
 * prompt's first state. Source: ImageReward ImageReward/models/BLIP/{vit,med}.py and ImageReward.py (`score_gard`).
 */

import { attention, gelu, layerNorm, linear } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Tapped } from '../../nn/index.ts';
import { tapBelow } from '../../nn/internal.ts';
import { affine, classToken, joinHeads, patchTokens, splitHeads, vitBlocks, withClassToken } from '../layers/index.ts';
import type { TokenBatch } from '../tokenizer/index.ts';
import {
  type BlipVitConfig,
  headLayers,
  type ImageRewardConfig,
  imageRewardName,
  imageRewardPresets,
  imageRewardShapes,
  type MedConfig,
} from './weights.ts';

/**
 * Raw scores [B] of images for prompts: `(raw - reward_mean) / reward_std` is the published reward.
 *
 * @param images - [B, image_size, image_size, 3], preprocessed
 */
export function imageRewardForward(
  net: Part<ImageRewardConfig>,
  images: Tensor,
  prompts: TokenBatch,
  { onValue }: Tapped = {},
): Tensor {
  const { weights, config } = net;
  return tf.tidy(() => {
    const vision = weights.at('blip.visual_encoder');
    const tokens = blipImageTokens(
      { weights: vision, config: config.vit },
      images,
      tapBelow('blip.visual_encoder', onValue),
    );
    onValue?.('blip.visual_encoder', tokens);
    const text = weights.at('blip.text_encoder');
    const states = blipTextStates(
      { weights: text, config: config.med_config },
      prompts,
      tokens,
      tapBelow('blip.text_encoder', onValue),
    );
    onValue?.('blip.text_encoder', states);
    const raw = headLayers.reduce((x, { name }) => linear(x, ...affine(weights, name)), classToken(states));
    return tf.reshape(raw, [-1]); // [B, 1] -> [B]
  });
}

/** Tokens of BLIP's image tower after the final norm, class token first: [B, 1 + L, D]. */
export function blipImageTokens(net: Part<BlipVitConfig>, images: Tensor, options: Tapped = {}): Tensor {
  const { weights, config } = net;
  const { image_size } = config;
  if (images.rank !== 4 || images.shape[1] !== image_size || images.shape[2] !== image_size) {
    throw new RangeError(`images have shape [${images.shape}]; wanted [B, ${image_size}, ${image_size}, 3]`);
  }
  return tf.tidy(() => {
    const patches = patchTokens(images, ...affine(weights, 'patch_embed.proj'));
    const x = tf.add(withClassToken(weights.get('cls_token'), patches), weights.get('pos_embed'));
    return vitBlocks(weights, config, x, options);
  });
}

/**
 * States of the prompt's tokens, each layer of which looks at the image: [B, L, D]. Blocks are post-norm,
 * y = norm(x + f(x)); there is no token-type embedding.
 *
 * @param image - [B, tokens, width] from {@link blipImageTokens}
 */
export function blipTextStates(
  net: Part<MedConfig>,
  { ids, mask }: TokenBatch,
  image: Tensor,
  { onValue }: Tapped = {},
): Tensor {
  const { weights, config } = net;
  const [batch, length] = ids.shape as [number, number];
  return tf.tidy(() => {
    let x = embedTokens({ weights: weights.at('embeddings'), config }, ids);
    onValue?.('embeddings', x);
    const keys = tf.reshape(mask, [batch, 1, 1, length]); // [B,L] -> [B,1,1,L]
    for (let i = 0; i < config.num_hidden_layers; i++) {
      const name = `encoder.layer.${i}`;
      x = textLayer({ weights: weights.at(name), config }, { x, keys, image }, tapBelow(name, onValue));
      onValue?.(name, x);
    }
    return x;
  });
}

function embedTokens(net: Part<MedConfig>, ids: Tensor): Tensor {
  const { weights, config } = net;
  const [, length] = ids.shape as [number, number];
  if (length > config.max_position_embeddings) {
    throw new RangeError(`ids have shape [${ids.shape}]; the model has ${config.max_position_embeddings} positions`);
  }
  const words = tf.gather(weights.get('word_embeddings.weight'), ids); // [B,L] -> [B,L,D]
  const places = tf.slice(weights.get('position_embeddings.weight'), [0, 0], [length, config.hidden_size]);
  return layerNorm(tf.add(words, places), ...affine(weights, 'LayerNorm'), config.layer_norm_eps);
}

interface LayerInput {
  readonly x: Tensor;
  /** [B, 1, 1, L], 1 = token. */
  readonly keys: Tensor;
  readonly image: Tensor;
}

function textLayer(net: Part<MedConfig>, { x, keys, image }: LayerInput, { onValue }: Tapped): Tensor {
  const { weights, config } = net;
  return tf.tidy(() => {
    const own = attend({ weights: weights.at('attention'), config }, x, x, keys);
    onValue?.('attention', own);
    const seen = attend({ weights: weights.at('crossattention'), config }, own, image, null);
    onValue?.('crossattention', seen);
    const wide = gelu(linear(seen, ...affine(weights, 'intermediate.dense')), 'erf');
    return addAndNorm({ weights: weights.at('output'), config }, wide, seen);
  });
}

function attend(net: Part<MedConfig>, x: Tensor, source: Tensor, mask: Tensor | null): Tensor {
  const { weights, config } = net;
  const project = (part: string, from: Tensor): Tensor =>
    splitHeads(linear(from, ...affine(weights, `self.${part}`)), config.num_attention_heads);
  const mixed = attention(project('query', x), project('key', source), project('value', source), { mask });
  return addAndNorm({ weights: weights.at('output'), config }, joinHeads(mixed), x);
}

/** norm(dense(change) + x) */
function addAndNorm(net: Part<MedConfig>, change: Tensor, x: Tensor): Tensor {
  const {
    weights,
    config: { layer_norm_eps },
  } = net;
  const sum = tf.add(linear(change, ...affine(weights, 'dense')), x);
  return layerNorm(sum, ...affine(weights, 'LayerNorm'), layer_norm_eps);
}

/**
 * ImageReward; the weights of its file that the score does not use are left out.
 *
 * @example await imageReward.load(imageReward.presets['imagereward-v1.0'], (await openPth('ImageReward.pt')).entries())
 */
export const imageReward: Architecture<ImageRewardConfig, typeof imageRewardForward, 'imagereward-v1.0'> = architecture(
  {
    name: 'ImageReward',
    presets: imageRewardPresets,
    shapes: imageRewardShapes,
    officialName: () => imageRewardName,
    forward: imageRewardForward,
  },
);
