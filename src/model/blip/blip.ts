/**
 * ImageReward: a ViT reads the image, a BERT with cross attention to it reads the prompt, an affine head scores the
 * prompt's first state. Source: ImageReward ImageReward/models/BLIP/{vit,med}.py and ImageReward.py (`score_gard`).
 */
import { attention, gelu, layerNorm } from '../../engine/ops/index.ts';
import { type Tensor, tf } from '../../engine/tf.ts';
import { type Architecture, architecture, type Part, type Shapes, type Tapped } from '../../nn/index.ts';
import { tapBelow } from '../../nn/internal.ts';
import {
  affine,
  alike,
  biased,
  checkSquare,
  classToken,
  dense,
  joinHeads,
  patchTokens,
  type ShapeTree,
  shapesIn,
  splitHeads,
  type VitSizes,
  vitBlocks,
  vitTree,
  withClassToken,
} from '../layers/layers.ts';
import type { TokenBatch } from '../tokenizer/tokenizer.ts';

/** Sizes of BLIP's image tower. */
export interface BlipVitConfig extends VitSizes {
  /** Side of the square images that the position table fits. */
  readonly image_size: number;
}

/** Sizes of BLIP's text tower: the keys of `med_config.json` that shape the network. */
export interface MedConfig {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_attention_heads: number;
  readonly num_hidden_layers: number;
  readonly max_position_embeddings: number;
  readonly vocab_size: number;
  readonly layer_norm_eps: number;
}

/** ImageReward: BLIP's towers, the score head and the scale of its scores. */
export interface ImageRewardConfig {
  readonly vit: BlipVitConfig;
  /** The text tower; its published `encoder_width` is not used, the image tower's width is. */
  readonly med_config: MedConfig;
  /** Raw score that becomes 0. */
  readonly reward_mean: number;
  /** Raw deviation that becomes 1. */
  readonly reward_std: number;
}

/** Named configurations; `imagereward-v1.0` is THUDM's `ImageReward.pt` (BLIP large, 446.7 million parameters). */
export const imageRewardPresets: Readonly<Record<'imagereward-v1.0', ImageRewardConfig>> = {
  'imagereward-v1.0': {
    vit: { image_size: 224, patch_size: 16, embed_dim: 1024, depth: 24, num_heads: 16 },
    med_config: {
      hidden_size: 768,
      intermediate_size: 3072,
      num_attention_heads: 12,
      num_hidden_layers: 12,
      max_position_embeddings: 512,
      vocab_size: 30524,
      layer_norm_eps: 1e-12,
    },
    reward_mean: 0.16717362830052426,
    reward_std: 1.0333394966054072,
  },
};

/** Outputs of the layers of the score head by their places in the checkpoint's sequence; dropout is in between. */
const headLayers: readonly (readonly [place: number, out: number])[] = [
  [0, 1024],
  [2, 128],
  [4, 64],
  [6, 16],
  [7, 1],
];

/** Shape of every weight that the score depends on, by its name in `ImageReward.pt`. */
export function imageRewardShapes({ vit, med_config }: ImageRewardConfig): Shapes {
  const { hidden_size: width, vocab_size, max_position_embeddings, intermediate_size: wide } = med_config;
  const attend = (sourceWidth: number): ShapeTree => ({
    self: { query: biased(width, width), key: biased(width, sourceWidth), value: biased(width, sourceWidth) },
    output: { dense: biased(width, width), LayerNorm: biased(width) },
  });
  const layer = {
    attention: attend(width),
    crossattention: attend(vit.embed_dim),
    intermediate: { dense: biased(wide, width) },
    output: { dense: biased(width, wide), LayerNorm: biased(width) },
  };
  const embeddings = {
    word_embeddings: { weight: [vocab_size, width] },
    position_embeddings: { weight: [max_position_embeddings, width] },
    LayerNorm: biased(width),
  };
  const text = { embeddings, encoder: { layer: alike(med_config.num_hidden_layers, layer) } };
  const head = headLayers.map(([place, out], i) => [place, biased(out, headLayers[i - 1]?.[1] ?? width)]);
  return shapesIn({
    blip: { visual_encoder: vitTree(vit, vit.image_size), text_encoder: text },
    mlp: { layers: Object.fromEntries(head) },
  });
}

/** What the checkpoint holds beside: projections of BLIP's contrastive loss and a buffer of positions. */
const unused = /^blip\.(vision_proj|text_proj)\.|\.position_ids$/;

/**
 * Raw scores [B] of preprocessed images [B, image_size, image_size, 3] for prompts: `(raw - reward_mean) / reward_std` is
 * the published reward.
 */
export function imageRewardForward(
  net: Part<ImageRewardConfig>,
  images: Tensor,
  prompts: TokenBatch,
  { onValue }: Tapped = {},
): Tensor {
  const { weights, config } = net;
  const [vision, text] = ['blip.visual_encoder', 'blip.text_encoder'];
  return tf.tidy(() => {
    const tower = { weights: weights.at(vision), config: config.vit };
    const tokens = blipImageTokens(tower, images, tapBelow(vision, onValue));
    onValue?.(vision, tokens);
    const bert = { weights: weights.at(text), config: config.med_config };
    const states = blipTextStates(bert, prompts, tokens, tapBelow(text, onValue));
    onValue?.(text, states);
    const raw = headLayers.reduce((x, [place]) => dense(weights, `mlp.layers.${place}`, x), classToken(states));
    return tf.reshape(raw, [-1]); // [B, 1] -> [B]
  });
}

/** Tokens of BLIP's image tower after the final norm, class token first: [B, 1 + L, D]. */
function blipImageTokens(net: Part<BlipVitConfig>, images: Tensor, options: Tapped = {}): Tensor {
  const { weights, config } = net;
  checkSquare(images, config.image_size);
  return tf.tidy(() => {
    const patches = patchTokens(images, ...affine(weights, 'patch_embed.proj'));
    const x = tf.add(withClassToken(weights.get('cls_token'), patches), weights.get('pos_embed'));
    return vitBlocks(weights, config, x, options);
  });
}

/**
 * States of the prompt's tokens [B, L, D], each layer of which looks at the image's tokens. Blocks are post-norm,
 * y = norm(x + f(x)); there is no token-type embedding.
 */
function blipTextStates(
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

/** What a layer sees; `keys` is [B, 1, 1, L], 1 = token. */
type LayerInput = Readonly<Record<'x' | 'keys' | 'image', Tensor>>;

function textLayer(net: Part<MedConfig>, { x, keys, image }: LayerInput, { onValue }: Tapped): Tensor {
  const { weights, config } = net;
  return tf.tidy(() => {
    const own = attend({ weights: weights.at('attention'), config }, x, x, keys);
    onValue?.('attention', own);
    const seen = attend({ weights: weights.at('crossattention'), config }, own, image, null);
    onValue?.('crossattention', seen);
    const wide = gelu(dense(weights, 'intermediate.dense', seen), 'erf');
    return addAndNorm({ weights: weights.at('output'), config }, wide, seen);
  });
}

function attend(net: Part<MedConfig>, x: Tensor, source: Tensor, mask: Tensor | null): Tensor {
  const { weights, config } = net;
  const project = (part: string, from: Tensor): Tensor =>
    splitHeads(dense(weights, `self.${part}`, from), config.num_attention_heads);
  const mixed = attention(project('query', x), project('key', source), project('value', source), { mask });
  return addAndNorm({ weights: weights.at('output'), config }, joinHeads(mixed), x);
}

/** norm(dense(change) + x) */
function addAndNorm({ weights, config }: Part<MedConfig>, change: Tensor, x: Tensor): Tensor {
  const sum = tf.add(dense(weights, 'dense', change), x);
  return layerNorm(sum, ...affine(weights, 'LayerNorm'), config.layer_norm_eps);
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
    officialName: () => (name) => (unused.test(name) ? null : name),
    forward: imageRewardForward,
  },
);
