/** What a world tells its preference judges: pictures with what they show, and pairs of which everyone prefers one. */
import { type Tensor, tf } from '../../engine/tf.ts';
import type { Key } from '../../nn/index.ts';
import { tokenize } from '../captions.ts';
import type { Split, WorldIdentity } from '../world.ts';
import type { Attributes } from './model.ts';

/** A picture [H, W, 3] in [0, 1] with the class of each attribute that it shows. */
export interface ShownPicture {
  readonly picture: Float32Array;
  readonly shown: Readonly<Record<string, number>>;
}

/** A picture under a caption. */
export interface PairSide extends ShownPicture {
  readonly caption: string;
}

/** One preference: everyone would choose `better`. */
export interface PreferencePair {
  /** What the two sides differ in. */
  readonly kind: string;
  readonly better: PairSide;
  readonly worse: PairSide;
}

/** What preference judges learn on a world. */
export interface PreferenceTask {
  readonly world: WorldIdentity;
  /** Of the captions. */
  readonly words: readonly string[];
  /** Side of the square pictures. */
  readonly size: number;
  /** The image tower learns to tell these classes before it learns preferences. */
  readonly attributes: Attributes;
  /** A picture, drawn from `key` alone. */
  picture(key: Key, split: Split): ShownPicture;
  /** A pair, drawn from `key` alone. */
  pair(key: Key, split: Split): PreferencePair;
}

/** Tensors of a batch: pictures [B, H, W, 3], the class int32 [B] of each attribute, tokens int32 [B, L] for pairs. */
export type PreferenceBatch = Record<string, Tensor> & { pictures: Tensor };

/** `count` pictures of the training split. */
export function drawPictures(task: PreferenceTask, key: Key, count: number): PreferenceBatch {
  return batchOf(
    task,
    Array.from({ length: count }, (_, i) => task.picture(key.stream(i), 'train')),
  );
}

/** `count` pairs with their kinds: rows 0 to B-1 are the better sides, rows B to 2B-1 the worse ones. */
export function drawPairs(
  task: PreferenceTask,
  key: Key,
  { count, length, split = 'train' }: { count: number; length: number; split?: Split },
): { kinds: string[]; batch: PreferenceBatch & { tokens: Tensor } } {
  const pairs = Array.from({ length: count }, (_, i) => task.pair(key.stream(i), split));
  const sides = [...pairs.map(({ better }) => better), ...pairs.map(({ worse }) => worse)];
  const tokens = captionTokens(
    task.words,
    sides.map(({ caption }) => caption),
    length,
  );
  return { kinds: pairs.map(({ kind }) => kind), batch: { ...batchOf(task, sides), tokens } };
}

function batchOf({ size, attributes }: PreferenceTask, sides: readonly ShownPicture[]): PreferenceBatch {
  const length = size * size * 3;
  const pictures = new Float32Array(sides.length * length);
  for (const [i, { picture }] of sides.entries()) pictures.set(picture, i * length);
  const classes = Object.keys(attributes).map((name) => {
    const values = Int32Array.from(sides, ({ shown }) => shown[name]!);
    return [name, tf.tensor1d(values, 'int32')] as const;
  });
  return { pictures: tf.tensor4d(pictures, [sides.length, size, size, 3]), ...Object.fromEntries(classes) };
}

/** Captions as int32 [B, length]. */
export function captionTokens(words: readonly string[], captions: readonly string[], length: number): Tensor {
  const ids = captions.flatMap((caption) => tokenize(words, caption, length));
  return tf.tensor2d(Int32Array.from(ids), [captions.length, length], 'int32');
}
