import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import {
  batched,
  cachedText,
  createReward,
  frameSelect,
  type Reward,
  standardised,
  weighted,
} from '../../src/reward/index.ts';
import { noisy, tinyImageReward, tinyVideoAlign, tinyVideoAlignPrompts } from './tiny.ts';

beforeAll(() => use('onnx'));

/** Notes what it is asked to encode. */
function noting(asked: string[][], compute?: (frames: Tensor) => Tensor): Reward<{ lengths: Tensor }> {
  return createReward({
    info: { id: 'noting', kind: 'frame', differentiable: true, inputSize: null },
    encode: (prompts) => {
      asked.push([...prompts]);
      return { lengths: tf.tensor1d(prompts.map((prompt) => prompt.length)) };
    },
    compute: (frames, { lengths }) => tf.mul((compute ?? ((x) => tf.mean(x, [1, 2, 3])))(frames), lengths),
    dispose: () => undefined,
  });
}

test('known prompts are not encoded again, in any order and number', () => {
  const asked: string[][] = [];
  const reward = cachedText(noting(asked));
  expect(reward.encode(['a', 'bbb']).lengths.arraySync()).toEqual([1, 3]);
  expect(reward.encode(['bbb', 'cc', 'a', 'a']).lengths.arraySync()).toEqual([3, 2, 1, 1]);
  expect(asked).toEqual([['a'], ['bbb'], ['cc']]);
});

test('the prompt unused for longest makes room, and all are released', () => {
  const before = tf.memory().numTensors;
  const asked: string[][] = [];
  const reward = cachedText(noting(asked), { capacity: 2 });
  for (const prompt of ['a', 'b', 'a', 'c', 'a', 'b']) reward.encode([prompt]).lengths.dispose();
  expect(asked.flat()).toEqual(['a', 'b', 'c', 'b']);
  expect(tf.memory().numTensors).toBe(before + 2);
  reward.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('what callers do with their tensors does not reach the cache', () => {
  const reward = cachedText(noting([]));
  tf.tidy(() => reward.encode(['a']));
  reward.encode(['a']).lengths.dispose();
  expect(reward.encode(['a']).lengths.arraySync()).toEqual([1]);
});

test('prompts of different lengths are encoded together where tensors differ', async () => {
  const prompts = await tinyVideoAlignPrompts();
  const [plain, cached] = [tinyVideoAlign(prompts), cachedText(tinyVideoAlign(prompts))];
  const clips = noisy(2, 4, 16, 16, 3);
  const mixed = ['fox', 'fox snow look'];
  const wanted = await plain.score(clips, mixed);
  for (let i = 0; i < 2; i++) expect(await cached.score(clips, mixed)).toBeAllClose(wanted, { atol: 1e-5 });
  for (const reward of [plain, cached]) reward.dispose();
});

test('random frames are drawn anew, so their reward cannot be cached', async () => {
  const reward = await tinyImageReward();
  expect(() => cachedText(frameSelect(reward, 'random-per-clip'))).toThrow('frameSelect(cachedText(reward)');
  expect(frameSelect(cachedText(reward), 'random-per-batch').info.random).toBe(true);
  reward.dispose();
});

test('what is made of a reward on random frames draws too, whatever it is called', () => {
  const drawing = frameSelect(noting([]), 'random-per-clip');
  const calm = frameSelect(noting([]), 'last');
  const renamed = createReward({ ...drawing, info: { ...drawing.info, id: 'mine' } });
  const sum = weighted([calm, drawing].map((reward) => ({ reward, weight: 1 })));
  for (const reward of [renamed, sum, standardised(drawing, { mean: 0, std: 2 }), batched(drawing, 1)]) {
    expect(() => cachedText(reward)).toThrow(/draws frames when it encodes/);
  }
  const named = createReward({ ...calm, info: { ...calm.info, id: 'mine@random-per-clip' } });
  for (const reward of [named, weighted([{ reward: calm, weight: 1 }])]) expect(() => cachedText(reward)).not.toThrow();
});

test('batches are no larger than asked, and scores and gradient are those of the whole', async () => {
  const sizes: number[] = [];
  const reward = noting([], (frames) => {
    sizes.push(frames.shape[0]!);
    return tf.mean(tf.square(frames), [1, 2, 3]);
  });
  const frames = noisy(5, 4, 4, 3);
  const prompts = ['a', 'bb', 'ccc', 'dddd', 'eeeee'];
  const small = batched(reward, 2);
  const clips = tf.expandDims(frames, 1);
  const wanted = await reward.score(clips, prompts);
  sizes.length = 0;
  expect(await small.score(clips, prompts)).toBeAllClose(wanted, { atol: 1e-6 });
  expect(sizes).toEqual([2, 2, 1]);
  const slope = (of: typeof reward) =>
    tf
      .grad((x: Tensor) => tf.sum(of.compute(x, of.encode(prompts))))(frames)
      .data();
  expect(await slope(small)).toBeAllClose(await slope(reward), { atol: 1e-6 });
  expect(() => batched(reward, 0)).toThrow('size: wanted');
});
