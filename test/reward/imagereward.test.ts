import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test, vi } from 'vitest';
import { compile, use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type HostTensor, writeSafetensors } from '../../src/io/index.ts';
import { imageRewardPresets, imageRewardShapes } from '../../src/model/blip/blip.ts';
import { imageReward, openWordPiece } from '../../src/model/internal.ts';
import { parameterCount, Weights } from '../../src/nn/index.ts';
import { clampFrames } from '../../src/reward/frames.ts';
import { reflLoss } from '../../src/reward/imagereward.ts';
import { openImageReward, type TruncatedPrompt } from '../../src/reward/index.ts';
import { testFolder } from '../folder.ts';
import { archive, dictionary, tensor } from '../io/pth-writer.ts';
import { weightsByName } from '../model/hashed-weights.ts';
import { imageRewardSizes as config, imageRewardVocabulary, noisy, tinyImageReward } from './tiny.ts';

const folder = await testFolder('imagereward');

beforeAll(async () => {
  await use('onnx');
  await writeFile(join(folder, 'vocab.txt'), imageRewardVocabulary);
});

const reward = tinyImageReward;
const videos = (count: number): Tensor => noisy(count, 1, 24, 30, 3);
const frames = (count: number, height = 24, width = 30): Tensor => noisy(count, height, width, 3);

test('the published size has its published number of parameters', () => {
  const projections = 256 * (1024 + 768 + 2);
  expect(parameterCount(imageRewardShapes(imageRewardPresets['imagereward-v1.0'])) + projections).toBe(446_665_953);
});

test('scores depend on frame and prompt, not on the batch', async () => {
  const judge = await reward();
  const pictures = videos(2);
  const both = await judge.score(pictures, ['a red fox', 'a fox']);
  const second = await judge.score(tf.slice(pictures, [1], [1]), ['a fox']);
  expect(second).toBeAllClose([both[1]!], { atol: 1e-5 });
  const swapped = await judge.score(pictures, ['a fox', 'a red fox']);
  expect(Math.abs(swapped[0]! - both[0]!)).toBeGreaterThan(1e-3);
  judge.dispose();
});

test('what lies outside of the middle square is not seen', async () => {
  const judge = await reward();
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
  const weights = weightsByName(imageRewardShapes(config));
  const entries = [...(await weights.toHost()), ...unused];
  weights.dispose();
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
  const made = await reward();
  const scores = await Promise.all([opened, made].map((judge) => judge.score(videos(1), ['a red fox'])));
  expect(scores[0]).toEqual(scores[1]);
  opened.dispose();
  made.dispose();
});

test('a safetensors file opens as well; one that does not fit is named with what it lacks', async () => {
  const checkpoint = join(folder, 'ImageReward.safetensors');
  const weights = weightsByName(imageRewardShapes(config));
  await writeSafetensors(checkpoint, await weights.toHost());
  weights.dispose();
  const vocabulary = join(folder, 'vocab.txt');
  const opened = await openImageReward({ checkpoint, tokenizer: vocabulary }, { config, allowTiny: true });
  expect(opened.info).toMatchObject({
    weights: { imagereward: 'ImageReward.safetensors' },
    settings: { resize: 'bicubic, antialiased, as PIL', clamp: 'hard', allowTiny: true, textLength: 35, size: 16 },
  });
  opened.dispose();
  const published = openImageReward({ checkpoint, tokenizer: vocabulary });
  await expect(published).rejects.toThrow(/ImageReward\.safetensors: .*524 missing: blip/);
});

test('a compiled step gives the same score and gradient for other frames and prompts', async () => {
  const judge = await reward();
  const step = (x: Tensor, ids: Tensor, mask: Tensor) =>
    tf.valueAndGrad((y: Tensor) => tf.sum(judge.compute(y, { ids, mask })))(x);
  const compiled = compile(step);
  for (const [i, prompt] of ['a fox', 'a red fox', 'fox', 'red'].entries()) {
    const pictures = tf.mul(frames(1), 1 - 0.1 * i);
    const { ids, mask } = judge.encode([prompt]);
    const [fast, slow] = [compiled(pictures, ids, mask), step(pictures, ids, mask)];
    expect(await fast.value.data()).toBeAllClose(await slow.value.data(), { atol: 1e-5 });
    expect(await fast.grad.data()).toBeAllClose(await slow.grad.data(), { atol: 1e-6, rtol: 1e-4 });
  }
  expect(compiled.status().replayed).toBe(2);
  compiled.dispose();
  judge.dispose();
});

test('frames far below the training resolution are refused unless asked for', async () => {
  const judge = await reward({ allowTiny: false });
  await expect(judge.score(videos(1), ['a fox'])).rejects.toThrow('allowTiny');
  judge.dispose();
});

test('prompts that do not fit are reported and cut before [SEP]', async () => {
  const cuts: TruncatedPrompt[] = [];
  const judge = await reward({ onTruncated: (cut) => cuts.push(cut) });
  const long = 'a red fox a red fox a red';
  const { ids } = judge.encode(['a fox', long]);
  expect(cuts).toEqual([{ prompt: long, kept: 6, total: 8 }]);
  expect(ids.arraySync()).toEqual([
    [2, 4, 6, 3, 0, 0, 0, 0],
    [2, 4, 5, 6, 4, 5, 6, 3],
  ]);
  judge.dispose();
});

test('the first prompt that is cut is announced by a warning, once', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockReturnValue();
  const judge = await reward();
  for (const prompt of ['a fox', 'a red fox a red fox a red', 'a a a a a a a a']) judge.encode([prompt]);
  judge.dispose();
  expect(warned).toHaveBeenCalledOnce();
  expect(warned.mock.calls[0]![0]).toMatch(
    /reads 6 word pieces of a prompt; 25 % of "a red fox a red fox a red" \(8\)/,
  );
  warned.mockRestore();
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
  expect(() => imageReward.net(config, weights)).toThrow('blip.visual_encoder.cls_token');
});

test('a tokenizer of another kind is refused', async () => {
  const path = join(folder, 'tokenizer.json');
  await writeFile(path, JSON.stringify({ model: { type: 'Unigram' } }));
  await expect(openWordPiece(path)).rejects.toThrow('WordPiece');
});
