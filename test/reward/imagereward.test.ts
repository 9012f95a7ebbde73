import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { compile, use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import type { HostTensor } from '../../src/io/index.ts';
import {
  type ImageRewardConfig,
  imageRewardPresets,
  imageRewardShapes,
  openWordPiece,
  type WordPieceTokenizer,
} from '../../src/model/blip/index.ts';
import { checkShapes, parameterCount, random, Weights } from '../../src/nn/index.ts';
import {
  clampFrames,
  type ImageRewardOptions,
  imageReward,
  openImageReward,
  type Reward,
  reflLoss,
  type TruncatedPrompt,
} from '../../src/reward/index.ts';
import { archive, dictionary, tensor } from '../io/pth-writer.ts';
import { hashedWeight } from '../model/hashed.ts';

const config: ImageRewardConfig = {
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
const words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a', 'red', 'fox'];
let folder: string;
let tokenizer: WordPieceTokenizer;

beforeAll(async () => {
  await use('onnx');
  folder = await mkdtemp(join(tmpdir(), 'imagereward-'));
  await writeFile(join(folder, 'vocab.txt'), `${words.join('\n')}\n`);
  tokenizer = await openWordPiece(join(folder, 'vocab.txt'));
});

afterAll(() => rm(folder, { recursive: true }));

function hosts(): [string, HostTensor][] {
  return [...imageRewardShapes(config)].map(([name, shape]) => {
    const data = hashedWeight(name.replace('LayerNorm', 'norm'), shape);
    return [name, { dtype: 'float32', shape: [...shape], data }];
  });
}

function reward(options: ImageRewardOptions = {}): Reward {
  const weights = Weights.from(hosts());
  return imageReward(weights, tokenizer, { config, textLength: 8, allowTiny: true, ...options });
}

function frames(count: number, height = 24, width = 30): Tensor {
  return tf.tensor(random.key(4).uniform([count, height, width, 3], 0.1, 0.9).data, [count, height, width, 3]);
}

test('the published size has its published number of parameters', () => {
  const projections = 256 * (1024 + 768 + 2);
  expect(parameterCount(imageRewardShapes(imageRewardPresets['imagereward-v1.0'])) + projections).toBe(446_665_953);
});

test('scores depend on frame and prompt, not on the batch', async () => {
  const judge = reward();
  const pictures = frames(2);
  const both = await judge.score(pictures, ['a red fox', 'a fox']).data();
  const second = judge.score(tf.slice(pictures, [1, 0, 0, 0], [1, -1, -1, -1]), ['a fox']);
  expect(await second.data()).toBeAllClose([both[1]!], { atol: 1e-5 });
  const swapped = await judge.score(pictures, ['a fox', 'a red fox']).data();
  expect(Math.abs(swapped[0]! - both[0]!)).toBeGreaterThan(1e-3);
  judge.dispose();
});

test('the gradient agrees with central differences, through resizing and both towers', async () => {
  const judge = reward();
  const pictures = frames(1);
  const text = judge.encode(['a red fox']);
  const total = (x: Tensor): Tensor => tf.sum(judge.compute(x, text));
  const gradient = await tf.grad(total)(pictures).data();
  const values = (await pictures.data()) as Float32Array;
  const largest = [...gradient.keys()].sort((i, j) => Math.abs(gradient[j]!) - Math.abs(gradient[i]!)).slice(0, 100);
  for (const pick of random.key(9).integers(0, largest.length, 8)) {
    const at = largest[pick]!;
    const moved = (by: number): number => {
      const copy = values.slice();
      copy[at]! += by;
      return tf.tidy(() => total(tf.tensor(copy, pictures.shape)).dataSync()[0]!);
    };
    const slope = (moved(5e-3) - moved(-5e-3)) / 1e-2;
    expect(Math.abs(slope - gradient[at]!)).toBeLessThan(0.02 * Math.abs(gradient[at]!) + 5e-5);
  }
  judge.dispose();
});

test('twenty ascent steps raise the score, and nothing is left behind', async () => {
  const judge = reward();
  const text = judge.encode(['a red fox']);
  const climb = tf.grad((x: Tensor) => tf.sum(judge.compute(x, text)));
  let x = frames(1);
  const [start] = await judge.compute(x, text).data();
  const before = tf.memory().numTensors;
  for (let i = 0; i < 20; i++) {
    const next = tf.tidy(() => {
      const slope = climb(x);
      const step = tf.mul(slope, tf.div(0.1, tf.sqrt(tf.sum(tf.square(slope)))));
      return tf.clipByValue(tf.add(x, step), 0, 1);
    });
    x.dispose();
    x = next;
  }
  expect(tf.memory().numTensors).toBe(before);
  const scores = judge.score(x, ['a red fox']);
  expect((await scores.data())[0]).toBeGreaterThan(start!);
  scores.dispose();
  expect(tf.memory().numTensors).toBe(before);
  judge.dispose();
});

test('what lies outside of the middle square is not seen', async () => {
  const judge = reward();
  const gradient = tf.grad((x: Tensor) => tf.sum(judge.compute(x, judge.encode(['a fox']))))(frames(1, 24, 72));
  const [, , width] = gradient.shape as [number, number, number];
  const byColumn = await tf.sum(tf.abs(gradient), [0, 1, 3]).data();
  expect([byColumn[0], byColumn[width - 1]]).toEqual([0, 0]);
  expect(byColumn[width / 2]).toBeGreaterThan(0);
  judge.dispose();
});

test('the published files: a .pt with what the score does not use, and a vocabulary', async () => {
  const unused: [string, HostTensor][] = ['blip.vision_proj.weight', 'blip.text_encoder.embeddings.position_ids'].map(
    (name) => [name, { dtype: 'float32', shape: [1], data: new Float32Array(1) }],
  );
  const entries = [...hosts(), ...unused];
  const pickled = entries.map(([name, { shape }], i): [string, Buffer] => {
    const stride = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, extent) => product * extent, 1));
    return [
      name,
      tensor(
        String(i),
        shape.reduce((product, extent) => product * extent, 1),
        { shape, stride },
      ),
    ];
  });
  const storages = entries.map(([, { data }], i) => [`a/data/${i}`, new Uint8Array(data.buffer as ArrayBuffer)]);
  const checkpoint = join(folder, 'ImageReward.pt');
  const records = { 'a/data.pkl': dictionary(Object.fromEntries(pickled)), ...Object.fromEntries(storages) };
  await writeFile(checkpoint, archive(records));
  const options = { config, textLength: 8, allowTiny: true };
  const opened = await openImageReward({ checkpoint, tokenizer: join(folder, 'vocab.txt') }, options);
  const made = reward();
  const scores = [opened, made].map((judge) => judge.score(frames(1), ['a red fox']).dataSync()[0]!);
  expect(scores[0]).toBe(scores[1]);
  opened.dispose();
  made.dispose();
});

test('a compiled step gives the same score and gradient for other frames and prompts', async () => {
  const judge = reward();
  const step = (x: Tensor, ids: Tensor, mask: Tensor) =>
    tf.valueAndGrad((y: Tensor) => tf.sum(judge.compute(y, [ids, mask])))(x);
  const compiled = compile(step);
  for (const [i, prompt] of ['a fox', 'a red fox', 'fox', 'red'].entries()) {
    const pictures = tf.mul(frames(1), 1 - 0.1 * i);
    const [ids, mask] = judge.encode([prompt]) as [Tensor, Tensor];
    const [fast, slow] = [compiled(pictures, ids, mask), step(pictures, ids, mask)];
    expect(await fast.value.data()).toBeAllClose(await slow.value.data(), { atol: 1e-5 });
    expect(await fast.grad.data()).toBeAllClose(await slow.grad.data(), { atol: 1e-6, rtol: 1e-4 });
  }
  expect(compiled.status().replayed).toBe(2);
  compiled.dispose();
  judge.dispose();
});

test('frames far below the training resolution are refused unless asked for', () => {
  const judge = reward({ allowTiny: false });
  expect(() => judge.score(frames(1), ['a fox'])).toThrow('allowTiny');
  judge.dispose();
});

test('prompts that do not fit are reported and cut before [SEP]', () => {
  const cuts: TruncatedPrompt[] = [];
  const judge = reward({ onTruncated: (cut) => cuts.push(cut) });
  const long = 'a red fox a red fox a red';
  const [ids] = judge.encode(['a fox', long]);
  expect(cuts).toEqual([{ prompt: long, kept: 6, total: 8 }]);
  expect(ids!.arraySync()).toEqual([
    [2, 4, 6, 3, 0, 0, 0, 0],
    [2, 4, 5, 6, 4, 5, 6, 3],
  ]);
  judge.dispose();
});

test('a straight-through clamp keeps the gradient of saturated pixels', async () => {
  const x = tf.tensor1d([-0.5, 0.5, 1.5]);
  const slope = (clamp: 'hard' | 'straight-through' | 'none') =>
    tf
      .grad((y: Tensor) => tf.sum(clampFrames(y, clamp)))(x)
      .data();
  expect([...(await slope('hard'))]).toEqual([0, 1, 0]);
  expect([...(await slope('straight-through'))]).toEqual([1, 1, 1]);
  expect([...(await clampFrames(x, 'straight-through').data())]).toEqual([0, 0.5, 1]);
  expect([...(await clampFrames(x, 'none').data())]).toEqual([-0.5, 0.5, 1.5]);
});

test("ReFL's loss stops at its target", async () => {
  const losses = await Promise.all([-1, 0.5, 2.5].map((score) => reflLoss(tf.tensor1d([score])).data()));
  expect(losses.map(([loss]) => loss!)).toBeAllClose([0.003, 0.0015, 0], { atol: 1e-7 });
});

test('weights of another configuration are refused by name', () => {
  const weights = Weights.from([['mlp.layers.0.weight', tf.zeros([1, 1])]]);
  expect(() => imageReward(weights, tokenizer, { config })).toThrow('blip.visual_encoder.cls_token');
  expect(() => checkShapes(weights.shapes(), imageRewardShapes(config))).toThrow('[1024,12]');
});

test('a tokenizer of another kind is refused', async () => {
  const path = join(folder, 'tokenizer.json');
  await writeFile(path, JSON.stringify({ model: { type: 'Unigram' } }));
  await expect(openWordPiece(path)).rejects.toThrow('WordPiece');
});
