import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import {
  type ClipConfig,
  type ClipTokenizer,
  clipPresets,
  clipShapes,
  clipTextFeatures,
  openClipTokenizer,
} from '../../src/model/clip/index.ts';
import { parameterCount, random, Weights } from '../../src/nn/index.ts';
import { aestheticReward, aestheticScore, clipScore, loadAestheticHead, type Reward } from '../../src/reward/index.ts';
import { hashedWeight } from '../model/hashed.ts';

const config: ClipConfig = {
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

/** Every word is a letter: 0 to 5, then the start and the end. */
const letters: ClipTokenizer = {
  encode: (text) => [6, ...Array.from(text, (letter) => letter.charCodeAt(0) - 97), 7],
  batch: (texts, length) =>
    tf.tensor2d(
      texts.map((text) => Array.from({ length }, (_, i) => letters.encode(text)[i] ?? 0)),
      [texts.length, length],
      'int32',
    ),
};

beforeAll(() => use('onnx'));

function hashedWeights(shapes: Iterable<readonly [string, readonly number[]]>): Weights {
  return Weights.from(
    [...shapes].map(([name, shape]) => {
      const data = hashedWeight(name.replace(/ln_(pre|post|final|[12])/, 'norm'), shape);
      return [name, { dtype: 'float32', shape: [...shape], data }];
    }),
  );
}

const linearHead = () => hashedWeights(Object.entries({ weight: [1, 6], bias: [1] }));
const mlpShapes = { 'layers.0': [5, 6], 'layers.2': [3, 5], 'layers.10': [1, 3] };
const mlpHead = () =>
  hashedWeights(
    Object.entries(mlpShapes).flatMap(([name, shape]): [string, number[]][] => [
      [`${name}.weight`, shape],
      [`${name}.bias`, shape.slice(0, 1)],
    ]),
  );
const aesthetic = () =>
  aestheticReward({ clip: hashedWeights(clipShapes(config, 'vision')), head: linearHead() }, { config });
const score = () => clipScore(hashedWeights(clipShapes(config)), letters, { config });

function frames(count: number): Tensor {
  return tf.tensor(random.key(4).uniform([count, 20, 24, 3], 0.1, 0.9).data, [count, 20, 24, 3]);
}

test('the image tower of ViT-L/14 has its published number of parameters', () => {
  expect(parameterCount(clipShapes(clipPresets['vit-l-14'], 'vision'))).toBe(303_966_208);
});

test.each([
  ['aesthetic', aesthetic],
  ['clip score', score],
])('%s: same score alone, gradient as a central difference along itself', async (_, make: () => Reward) => {
  const judge = make();
  const pictures = frames(2);
  const both = await judge.score(pictures, ['ab', 'cad']).data();
  const alone = await judge.score(tf.slice(pictures, [1, 0, 0, 0], [1, -1, -1, -1]), ['cad']).data();
  expect(alone).toBeAllClose([both[1]!], { atol: 1e-5 });
  const text = judge.encode(['ab', 'cad']);
  const total = (x: Tensor): Tensor => tf.sum(judge.compute(x, text));
  const gradient = tf.grad(total)(pictures);
  const along = (by: number) => total(tf.add(pictures, tf.mul(gradient, by))).dataSync()[0]!;
  const squared = tf.sum(tf.square(gradient)).dataSync()[0]!;
  const step = 1e-2 / Math.sqrt(squared);
  const slope = (along(step) - along(-step)) / (2 * step);
  expect(Math.abs(slope - squared)).toBeLessThan(0.02 * squared);
  const before = tf.memory().numTensors;
  judge.score(pictures, ['ab', 'cad']).dispose();
  expect(tf.memory().numTensors).toBe(before);
  judge.dispose();
});

test('an MLP head without activation is one affine map; with ReLU it is not', async () => {
  const head = mlpHead();
  const features = tf.tensor2d(random.key(1).normal([3, 6]).data as Float32Array, [3, 6]);
  const opposite = tf.neg(features);
  const atZero = (activation: 'none' | 'relu') =>
    tf.add(aestheticScore(head, features, activation), aestheticScore(head, opposite, activation)).data();
  const sums = await atZero('none');
  expect(sums).toBeAllClose(new Array(3).fill(sums[0]), { atol: 1e-5 });
  const bent = await atZero('relu');
  expect(Math.max(...bent) - Math.min(...bent)).toBeGreaterThan(1e-3);
});

test('scale of the embedding does not matter', async () => {
  const features = tf.tensor2d([[1, 2, 3, 4, 5, 6]]);
  const scores = [1, 7].map((factor) => aestheticScore(linearHead(), tf.mul(features, factor)).dataSync()[0]!);
  expect(scores[0]!).toBeCloseTo(scores[1]!, 5);
});

test('files that are no aesthetic head are refused, tensors and all', async () => {
  const before = tf.memory().numTensors;
  await expect(loadAestheticHead([['fc.weight', tf.scalar(1)]])).rejects.toThrow('fc.weight []');
  const pair: [string, Tensor][] = [
    ['weight', tf.zeros([2, 6])],
    ['bias', tf.zeros([2])],
  ];
  await expect(loadAestheticHead(pair)).rejects.toThrow('weight [2,6]');
  expect(tf.memory().numTensors).toBe(before + 3);
  const clip = hashedWeights(clipShapes({ ...config, embed_dim: 4 }, 'vision'));
  expect(() => aestheticReward({ clip, head: linearHead() }, { config: { ...config, embed_dim: 4 } })).toThrow(
    'the head reads 6 values; wanted 4',
  );
});

test('text features do not depend on what follows the end token', async () => {
  const weights = hashedWeights(clipShapes(config));
  const features = (ids: number[]) =>
    clipTextFeatures(weights, config, tf.tensor2d([ids], [1, ids.length], 'int32')).data();
  expect(await features([6, 1, 2, 7])).toBeAllClose(await features([6, 1, 2, 7, 0, 0]), { atol: 1e-6 });
  expect(() => clipTextFeatures(weights, config, tf.zeros([1, 7], 'int32'))).toThrow('at most 6');
  weights.dispose();
});

test('a CLIP tokenizer brackets, cuts and pads', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'clip-'));
  const path = join(folder, 'tokenizer.json');
  const vocab = { 'a</w>': 0, 'b</w>': 1, a: 2, b: 3, 'ab</w>': 4, '<|startoftext|>': 5, '<|endoftext|>': 6 };
  const special = (content: keyof typeof vocab) => ({ id: vocab[content], content, special: true, normalized: false });
  const bracket = (id: '<|startoftext|>' | '<|endoftext|>') => ({ SpecialToken: { id, type_id: 0 } });
  const json = {
    added_tokens: [special('<|startoftext|>'), special('<|endoftext|>')],
    normalizer: { type: 'Lowercase' },
    pre_tokenizer: { type: 'WhitespaceSplit' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [bracket('<|startoftext|>'), { Sequence: { id: 'A', type_id: 0 } }, bracket('<|endoftext|>')],
      pair: [],
      special_tokens: {},
    },
    decoder: { type: 'BPEDecoder', suffix: '</w>' },
    model: {
      type: 'BPE',
      vocab,
      merges: ['a b</w>'],
      end_of_word_suffix: '</w>',
      unk_token: '<|endoftext|>',
      continuing_subword_prefix: '',
    },
  };
  await writeFile(path, JSON.stringify(json));
  const tokenizer = await openClipTokenizer(path);
  expect(tokenizer.encode('AB b')).toEqual([5, 4, 1, 6]);
  expect(tokenizer.batch(['ab', 'a b a b'], 5).arraySync()).toEqual([
    [5, 4, 6, 0, 0],
    [5, 0, 1, 0, 6],
  ]);
  await writeFile(path, JSON.stringify({ model: { type: 'WordPiece' } }));
  await expect(openClipTokenizer(path)).rejects.toThrow('BPE');
  await rm(folder, { recursive: true });
});
