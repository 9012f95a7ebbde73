import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { clipShapes } from '../../src/model/clip/weights.ts';
import { clip, clipPresets, clipTextFeatures, openClipTokenizer } from '../../src/model/internal.ts';
import { parameterCount, random } from '../../src/nn/index.ts';
import { aestheticScore } from '../../src/reward/clip.ts';
import { aestheticReward, loadAestheticHead } from '../../src/reward/index.ts';
import { testFolder } from '../folder.ts';
import { netByName } from '../model/hashed-weights.ts';
import { clipSizes as config, tinyAestheticHead } from './tiny.ts';

beforeAll(() => use('onnx'));

test('the image tower of ViT-L/14 has its published number of parameters', () => {
  expect(parameterCount(clipShapes({ ...clipPresets['vit-l-14'], towers: 'vision' }))).toBe(303_966_208);
});

test('an MLP head without activation is one affine map; with ReLU it is not', async () => {
  const features = tf.tensor2d(random.key(1).normal([3, 6]).data as Float32Array, [3, 6]);
  const opposite = tf.neg(features);
  const atZero = (activation: 'none' | 'relu') => {
    const head = tinyAestheticHead('mlp', activation);
    return tf.add(aestheticScore(head, features), aestheticScore(head, opposite)).data();
  };
  const sums = await atZero('none');
  expect(sums).toBeAllClose(new Array(3).fill(sums[0]), { atol: 1e-5 });
  const bent = await atZero('relu');
  expect(Math.max(...bent) - Math.min(...bent)).toBeGreaterThan(1e-3);
});

test('scale of the embedding does not matter', async () => {
  const features = tf.tensor2d([[1, 2, 3, 4, 5, 6]]);
  const scores = [1, 7].map(
    (factor) => aestheticScore(tinyAestheticHead('linear'), tf.mul(features, factor)).dataSync()[0]!,
  );
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
  const narrow = netByName(clip, { ...config, embed_dim: 4, towers: 'vision' });
  const reward = () => aestheticReward({ clip: narrow, head: tinyAestheticHead('linear') });
  expect(reward).toThrow('the head reads 6 values; wanted 4');
});

test('text features do not depend on what follows the end token', async () => {
  const net = netByName(clip, config);
  const features = (ids: number[]) => clipTextFeatures(net, tf.tensor2d([ids], [1, ids.length], 'int32')).data();
  expect(await features([6, 1, 2, 7])).toBeAllClose(await features([6, 1, 2, 7, 0, 0]), { atol: 1e-6 });
  expect(() => clipTextFeatures(net, tf.zeros([1, 7], 'int32'))).toThrow('at most 6');
  net.dispose();
});

test('a CLIP tokenizer brackets, cuts and pads', async () => {
  const folder = await testFolder('clip');
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
});
