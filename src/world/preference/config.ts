/** The small preference reward: sizes, weights, and the architecture record of one for a world's pictures. */
import type { HostTensor } from '../../io/index.ts';
import { type Architecture, architecture, type Key, type Shapes } from '../../nn/index.ts';
import { constant, fans, normal } from '../../nn/internal.ts';
import { type Attributes, preferenceForward } from './model.ts';

/** Sizes of the small preference reward. */
export interface PreferenceConfig {
  /** Side of the square frames. */
  size: number;
  /** Channels after the first convolution. */
  stem: number;
  /** Side of the square of pixels that a token stands for: 4 by two convolutions, 8 by three. @defaultValue 4 */
  stride?: 4 | 8;
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

/**
 * Sizes for square pictures under captions of so many words: 312,977 parameters for 32x32, 27 words and 16 classes. Larger
 * pictures have a token for 8x8 pixels.
 */
export function preferenceConfig(size: number, vocabulary: number): PreferenceConfig {
  return {
    size,
    ...(size > 32 && { stride: 8 }),
    stem: 32,
    width: 64,
    heads: 4,
    ffn: 256,
    visionLayers: 3,
    textLayers: 2,
    textLength: 12,
    vocabulary,
    head: 32,
  };
}

/** The small preference reward for pictures that show things of these classes; `presets` names sizes of it. */
export function preferenceArchitecture(
  attributes: Attributes,
  presets: Readonly<Record<string, PreferenceConfig>> = {},
): Architecture<PreferenceConfig, typeof preferenceForward> {
  const shapes = (config: PreferenceConfig): Shapes => preferenceShapes(config, attributes);
  return architecture({
    name: 'preference reward',
    presets,
    shapes,
    initial: (config, key) => {
      const all = shapes(config);
      return [...all].map(([name, shape]) => [name, initial(name, shape, all, key.stream(name))] as const);
    },
    forward: preferenceForward,
  });
}

/** Names and shapes of all weights, linear [out, in] and convolution [out, in, kH, kW]. */
export function preferenceShapes(config: PreferenceConfig, attributes: Attributes): Shapes {
  const { width, head } = config;
  const classes = Object.values(attributes).reduce((sum, count) => sum + count, 0);
  return new Map([
    ...visionShapes(config),
    ...textShapes(config),
    ...layer('head.0', head, width),
    ...layer('head.1', 1, head),
    ...(classes > 0 ? layer('attributes', classes, width) : []),
  ]);
}

type Entry = [string, number[]];

function visionShapes({ size, stride = 4, stem, width, ffn, visionLayers }: PreferenceConfig): Entry[] {
  const patches = (size / stride) ** 2;
  return [
    ...stemOf(0, stem, 3),
    ...stemOf(1, width, stem),
    ...(stride === 8 ? stemOf(2, width, width) : []),
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

function stemOf(index: number, out: number, into: number): Entry[] {
  return [
    [`vision.stem.${index}.weight`, [out, into, 3, 3]],
    [`vision.stem.${index}.bias`, [out]],
  ];
}

function textShapes({ width, ffn, textLayers, textLength, vocabulary }: PreferenceConfig): Entry[] {
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

/** N(0, 0.02) for embeddings, 1 and 0 for norms, uniform in +-1/sqrt(fan in) for the rest. */
function initial(name: string, shape: readonly number[], shapes: Shapes, key: Key): HostTensor {
  if (/cls_token|pos_embed|embeddings\.(word|position)/.test(name)) return normal(0.02)(key, shape);
  if (/norm\d?\.weight$/.test(name)) return constant(1)(key, shape);
  if (/norm\d?\.bias$/.test(name)) return constant(0)(key, shape);
  const { fanIn } = fans(shapes.get(name.replace(/bias$/, 'weight')) ?? shape);
  return key.uniform(shape, -1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn));
}
