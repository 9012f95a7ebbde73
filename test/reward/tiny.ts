/** The official rewards at their smallest: real code and names, a few thousand hashed weights. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import {
  type ClipConfig,
  type ClipTokenizer,
  clip,
  type ImageRewardConfig,
  imageReward as imageRewardNet,
  openWordPiece,
  type Qwen2VlConfig,
  qwen2vl,
} from '../../src/model/internal.ts';
import { type Net, random } from '../../src/nn/index.ts';
import { type AestheticHeadConfig, aestheticHead, type HeadActivation } from '../../src/reward/clip.ts';
import {
  aestheticReward,
  clipScore,
  type ImageRewardOptions,
  type ImageRewardText,
  imageReward,
  openVideoAlignPrompts,
  type Reward,
  type VideoAlignOptions,
  type VideoAlignPrompts,
  type VideoAlignReward,
  videoAlign,
} from '../../src/reward/index.ts';
import { testFolder } from '../folder.ts';
import { netByName } from '../model/hashed-weights.ts';

const folder = await testFolder('reward');

/** Frames [B, H, W, 3] or clips [B, T, H, W, 3] off the bounds of [0, 1]. */
export function noisy(...shape: number[]): Tensor {
  return tf.tensor(random.key(4).uniform(shape, 0.1, 0.9).data, shape);
}

export const imageRewardSizes: ImageRewardConfig = {
  vit: { image_size: 16, patch_size: 8, embed_dim: 16, depth: 2, num_heads: 2 },
  med_config: {
    hidden_size: 12,
    intermediate_size: 24,
    num_attention_heads: 3,
    num_hidden_layers: 2,
    max_position_embeddings: 16,
    vocab_size: 9,
    layer_norm_eps: 1e-12,
  },
  reward_mean: 0.1,
  reward_std: 0.5,
};

/** `vocab.txt` of the tiny ImageReward. */
export const imageRewardVocabulary: string = '[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nred\nfox\n';

/** ImageReward that reads 16 pixels, 8 tokens and the words "a red fox". */
export async function tinyImageReward(options: ImageRewardOptions = {}): Promise<Reward<ImageRewardText>> {
  const path = join(folder, 'vocab.txt');
  await writeFile(path, imageRewardVocabulary);
  const tokenizer = await openWordPiece(path);
  return imageReward(netByName(imageRewardNet, imageRewardSizes), tokenizer, {
    textLength: 8,
    allowTiny: true,
    ...options,
  });
}

export const clipSizes: ClipConfig = {
  embed_dim: 6,
  image_resolution: 16,
  vision_layers: 1,
  vision_width: 12,
  vision_patch_size: 8,
  vision_heads: 3,
  context_length: 6,
  vocab_size: 8,
  transformer_width: 8,
  transformer_heads: 2,
  transformer_layers: 1,
};

/** Every character is one of 0 to 5, then the start 6 and the end 7; long texts keep their end. */
const characters: ClipTokenizer = {
  encode: (text) => [6, ...Array.from(text, (character) => character.charCodeAt(0) % 6), 7],
  batch: (texts, length) => {
    const rows = texts.map((text) => characters.encode(text));
    const cut = (row: number[], i: number): number => (i === length - 1 ? row.at(-1)! : row[i]!);
    const values = rows.map((row) =>
      Array.from({ length }, (_, i) => (row.length > length ? cut(row, i) : (row[i] ?? 0))),
    );
    return tf.tensor2d(values, [texts.length, length], 'int32');
  },
};

/** CLIP's score at 16 pixels and 6 tokens. */
export function tinyClipScore(): Reward {
  return clipScore(netByName(clip, clipSizes), characters);
}

const aestheticHeads: Record<'linear' | 'mlp', AestheticHeadConfig['layers']> = {
  linear: [['weight', [1, 6]]],
  mlp: [
    ['layers.0.weight', [16, 6]],
    ['layers.2.weight', [8, 16]],
    ['layers.10.weight', [1, 8]],
  ],
};

/** A head on features of width 6, in the names of the published files. */
export function tinyAestheticHead(
  kind: 'linear' | 'mlp',
  activation: HeadActivation = 'none',
): Net<AestheticHeadConfig> {
  return netByName(aestheticHead, { layers: aestheticHeads[kind], activation });
}

/** An aesthetic predictor on the tiny CLIP. */
export function tinyAesthetic(kind: 'linear' | 'mlp', activation: HeadActivation = 'none'): Reward {
  const towers = { ...clipSizes, towers: 'vision' } as const;
  return aestheticReward({ clip: netByName(clip, towers), head: tinyAestheticHead(kind, activation) });
}

const words = ['system', 'user', 'assistant', 'look', 'fox', 'snow', 'other'];
const marks = ['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|vision_start|>', '<|vision_end|>', '<|video_pad|>'];

export const videoAlignTemplate: string = 'look<|VQ_reward|>look<|MQ_reward|>{text_prompt}<|TA_reward|>';

/** Id of the first special token: the tokens before it. */
export const videoAlignTokens: number = words.length + marks.length;

export const videoAlignSizes: Qwen2VlConfig = {
  vocab_size: videoAlignTokens + 3,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
  rope_scaling: { mrope_section: [1, 1, 2] },
  video_token_id: words.length + marks.indexOf('<|video_pad|>'),
  vision_config: {
    depth: 1,
    embed_dim: 16,
    hidden_size: 16,
    mlp_ratio: 2,
    num_heads: 2,
    in_channels: 3,
    patch_size: 4,
    spatial_merge_size: 2,
    temporal_patch_size: 2,
  },
};

/** Dials of the tiny VideoAlign: at most 16 pixels a side. */
export const videoAlignDials: VideoAlignOptions = { minPixels: 64, maxPixels: 256, fps: 8 };

/** `tokenizer.json` of the tiny VideoAlign. */
export const videoAlignTokenizer: object = {
  added_tokens: marks.map((content, i) => ({ id: words.length + i, content, special: true, normalized: false })),
  normalizer: null,
  pre_tokenizer: { type: 'Whitespace' },
  post_processor: null,
  decoder: null,
  model: {
    type: 'WordPiece',
    unk_token: 'other',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(words.map((word, id) => [word, id])),
  },
};

/** How the tiny VideoAlign reads prompts. */
export async function tinyVideoAlignPrompts(): Promise<VideoAlignPrompts> {
  const path = join(folder, 'tokenizer.json');
  await writeFile(path, JSON.stringify(videoAlignTokenizer));
  return openVideoAlignPrompts(path, videoAlignTemplate);
}

/** The network with a head of so many rows. */
export function tinyVideoAlignNet(outputs: number): Net<Qwen2VlConfig> {
  return netByName(qwen2vl, { ...videoAlignSizes, outputs });
}

/** VideoAlign with raw scores. */
export function tinyVideoAlign(
  prompts: VideoAlignPrompts,
  options: VideoAlignOptions = {},
  outputs = 1,
): VideoAlignReward {
  return videoAlign(tinyVideoAlignNet(outputs), prompts, { ...videoAlignDials, scale: null, ...options });
}
