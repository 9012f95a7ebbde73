import type { HostTensor } from '../../../io/index.ts';
import { constant, fans, type Key, normal, type Shapes } from '../../../nn/index.ts';
import { digits } from '../../index.ts';

/** Sizes of the small reward. */
export interface SmallRewardConfig {
  /** Side of the square frames. */
  size: number;
  /** Channels after the first convolution. */
  stem: number;
  /** Width of all tokens. */
  width: number;
  heads: number;
  /** Hidden width of the feed-forward parts. */
  ffn: number;
  visionLayers: number;
  textLayers: number;
  /** Tokens of a caption, padding included. */
  textLength: number;
  vocabulary: number;
  /** Hidden width of the score head. */
  head: number;
}

/** 312,977 parameters on 32x32 frames. */
export const SMALL_REWARD: SmallRewardConfig = {
  size: digits.SIZE,
  stem: 32,
  width: 64,
  heads: 4,
  ffn: 256,
  visionLayers: 3,
  textLayers: 2,
  textLength: 12,
  vocabulary: digits.VOCABULARY.length,
  head: 32,
};

/** The same architecture with a narrower stem: trained from another seed it is the judge that nothing is trained on. */
export const SECOND_JUDGE: SmallRewardConfig = { ...SMALL_REWARD, stem: 24 };

/** Classes that the attribute heads tell apart: ten digits, then six colours. */
export const ATTRIBUTES: { readonly digits: number; readonly colours: number } = {
  digits: digits.NUMBERS.length,
  colours: digits.COLOUR_NAMES.length,
};

/** Names and shapes of all weights, linear [out, in] and convolution [out, in, kH, kW]. */
export function smallRewardShapes(config: SmallRewardConfig): Shapes {
  const { width, head } = config;
  return new Map([
    ...visionShapes(config),
    ...textShapes(config),
    ...layer('head.0', head, width),
    ...layer('head.1', 1, head),
    ...layer('attributes', ATTRIBUTES.digits + ATTRIBUTES.colours, width),
  ]);
}

type Entry = [string, number[]];

function visionShapes({ size, stem, width, ffn, visionLayers }: SmallRewardConfig): Entry[] {
  const patches = (size / 4) ** 2;
  return [
    ['vision.stem.0.weight', [stem, 3, 3, 3]],
    ['vision.stem.0.bias', [stem]],
    ['vision.stem.1.weight', [width, stem, 3, 3]],
    ['vision.stem.1.bias', [width]],
    ['vision.cls_token', [1, 1, width]],
    ['vision.pos_embed', [1, patches + 1, width]],
    ...each(visionLayers, (i) => [
      ...norm(`vision.blocks.${i}.norm1`, width),
      ...layer(`vision.blocks.${i}.attn.qkv`, 3 * width, width),
      ...layer(`vision.blocks.${i}.attn.proj`, width, width),
      ...norm(`vision.blocks.${i}.norm2`, width),
      ...layer(`vision.blocks.${i}.mlp.fc1`, ffn, width),
      ...layer(`vision.blocks.${i}.mlp.fc2`, width, ffn),
    ]),
    ...norm('vision.norm', width),
  ];
}

function textShapes({ width, ffn, textLayers, textLength, vocabulary }: SmallRewardConfig): Entry[] {
  return [
    ['text.embeddings.word.weight', [vocabulary, width]],
    ['text.embeddings.position.weight', [textLength, width]],
    ...norm('text.embeddings.norm', width),
    ...each(textLayers, (i) => [
      ...['attention', 'crossattention'].flatMap((kind) => [
        ...['query', 'key', 'value', 'output'].flatMap((part) =>
          layer(`text.layers.${i}.${kind}.${part}`, width, width),
        ),
        ...norm(`text.layers.${i}.${kind}.norm`, width),
      ]),
      ...layer(`text.layers.${i}.mlp.fc1`, ffn, width),
      ...layer(`text.layers.${i}.mlp.fc2`, width, ffn),
      ...norm(`text.layers.${i}.mlp.norm`, width),
    ]),
  ];
}

function each(count: number, make: (index: number) => Entry[]): Entry[] {
  return Array.from({ length: count }, (_, i) => make(i)).flat();
}

function layer(name: string, out: number, into: number): Entry[] {
  return [
    [`${name}.weight`, [out, into]],
    [`${name}.bias`, [out]],
  ];
}

function norm(name: string, width: number): Entry[] {
  return [
    [`${name}.weight`, [width]],
    [`${name}.bias`, [width]],
  ];
}

/** Fresh weights: N(0, 0.02) for embeddings, 1 and 0 for norms, uniform in +-1/sqrt(fan in) for the rest. */
export function smallRewardInitial(config: SmallRewardConfig, key: Key): [string, HostTensor][] {
  const shapes = smallRewardShapes(config);
  return [...shapes].map(([name, shape]) => [name, initial(name, shape, shapes, key.stream(name))]);
}

function initial(name: string, shape: readonly number[], shapes: Shapes, key: Key): HostTensor {
  if (/cls_token|pos_embed|embeddings\.(word|position)/.test(name)) return normal(0.02)(key, shape);
  if (/norm\d?\.weight$/.test(name)) return constant(1)(key, shape);
  if (/norm\d?\.bias$/.test(name)) return constant(0)(key, shape);
  const { fanIn } = fans(shapes.get(name.replace(/bias$/, 'weight')) ?? shape);
  return key.uniform(shape, -1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn));
}
