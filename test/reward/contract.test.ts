import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { random, toTensor } from '../../src/nn/index.ts';
import {
  batched,
  cachedText,
  createReward,
  frameSelect,
  type ImageRewardOptions,
  motionReward,
  type Reward,
  SECOND_JUDGE,
  SMALL_REWARD,
  type SmallRewardConfig,
  smallReward,
  smallRewardNet,
  standardised,
  videoAlignScale,
  weighted,
} from '../../src/reward/index.ts';
import { digits } from '../../src/world/index.ts';
import { expectAscent, expectCentralDifferences } from './slopes.ts';
import { tinyAesthetic, tinyClipScore, tinyImageReward, tinyVideoAlign, tinyVideoAlignPrompts } from './tiny.ts';

/** Fresh weights have almost flat scores: `scale` raises them to where finite differences can be read. */
const TINY: SmallRewardConfig = { ...SMALL_REWARD, stem: 8, width: 32, ffn: 64, visionLayers: 1, textLayers: 1 };
const small = (config = TINY, seed = 1): Reward => {
  const { weights } = smallRewardNet.init(config, random.key(seed));
  return smallReward(weights, { config, scale: { mean: 0, std: 0.02 } });
};
const imageReward = (options: ImageRewardOptions = {}): Promise<Reward> =>
  tinyImageReward({ onTruncated: () => {}, ...options });
const brightness = (): Reward =>
  createReward({
    info: { id: 'brightness', kind: 'frame', differentiable: true, higherIsBetter: true, inputSize: null },
    textInputs: 0,
    encode: () => [],
    compute: (frames) => tf.mean(frames, [1, 2, 3]),
    dispose: () => {},
  });

/** One suite for every reward: a new one adds a row. */
const rows: [string, () => Reward | Promise<Reward>][] = [
  ['imagereward', () => imageReward()],
  ['clip score', tinyClipScore],
  ['aesthetic, linear', () => tinyAesthetic('linear')],
  ['aesthetic, mlp', () => tinyAesthetic('mlp')],
  ['aesthetic, mlp with relu', () => tinyAesthetic('mlp', 'relu')],
  ['videoalign', async () => tinyVideoAlign(await tinyVideoAlignPrompts())],
  [
    'videoalign, motion quality',
    async () =>
      tinyVideoAlign(await tinyVideoAlignPrompts(), { dimension: 'motionQuality', scale: videoAlignScale }, 3),
  ],
  ['imagereward on all frames', async () => frameSelect(await imageReward(), 'all')],
  [
    'videoalign, visual quality',
    async () => tinyVideoAlign(await tinyVideoAlignPrompts(), { dimension: 'visualQuality' }),
  ],
  [
    'videoalign, text alignment',
    async () => tinyVideoAlign(await tinyVideoAlignPrompts(), { dimension: 'textAlignment' }),
  ],
  ['imagereward, clamped straight through', () => imageReward({ clamp: 'straight-through' })],
  ['clip score on a random frame', () => frameSelect(tinyClipScore(), 'random', { key: random.key(5) })],
  ['cached text', () => cachedText(tinyClipScore())],
  ['in batches', async () => batched(await imageReward(), 1)],
  [
    'official rewards, standardised, on chosen frames, weighted',
    async () =>
      weighted([
        { reward: standardised(frameSelect(await imageReward(), 'last'), { mean: 0.2, std: 0.1 }), weight: 1 },
        { reward: standardised(frameSelect(tinyClipScore(), 'all'), { mean: 0, std: 0.05 }), weight: 0.5 },
        { reward: frameSelect(tinyAesthetic('mlp'), 'middle'), weight: 0.2 },
        { reward: tinyVideoAlign(await tinyVideoAlignPrompts()), weight: 0.3 },
      ]),
  ],
  ['small', () => small(SMALL_REWARD)],
  ['second judge', () => small({ ...TINY, stem: 4 }, 2)],
  ['brightness', brightness],
  [
    'weighted sum',
    () =>
      weighted([
        { reward: small(), weight: 0.5 },
        { reward: brightness(), weight: 2 },
      ]),
  ],
  ['standardised', () => standardised(small(), { mean: 0.1, std: 2 })],
  ['motion', motionReward],
  ['last frame', () => frameSelect(small(), 'last')],
  ['frame 1', () => frameSelect(small(), 1)],
  ['random frame', () => frameSelect(small(), 'random', { key: random.key(5) })],
  ['all frames', () => frameSelect(small(), 'all')],
  [
    'weighted clip rewards',
    () =>
      weighted([
        { reward: frameSelect(small(), 'random', { key: random.key(5) }), weight: 1 },
        { reward: frameSelect(small({ ...TINY, stem: 4 }), 'all'), weight: 1 },
      ]),
  ],
];

const FRAMES = 4;
const SIZE = digits.SIZE;

beforeAll(async () => {
  await engine.use('onnx');
});

/** Noisy frames of digits, kept off the bounds so that steps in both directions are legal. */
function input(kind: 'frame' | 'clip', count: number): { frames: Tensor; prompts: string[] } {
  const { data, captions } = digits.batch(0, count, { seed: 11 });
  const kept = kind === 'clip' ? FRAMES : 1;
  const length = SIZE * SIZE * 3;
  const noise = random.key(3).normal([count * kept * length]).data;
  const values = Float32Array.from({ length: count * kept * length }, (_, i) => {
    const item = Math.floor(i / (kept * length));
    const pixel = data[item * digits.FRAMES * length + (i % (kept * length))]!;
    return Math.min(0.95, Math.max(0.05, 0.1 + 0.75 * pixel + 0.05 * noise[i]!));
  });
  const shape = kind === 'clip' ? [count, kept, SIZE, SIZE, 3] : [count, SIZE, SIZE, 3];
  return { frames: tf.tensor(values, shape), prompts: captions };
}

describe.each(rows)('the contract, %s', (_, make) => {
  test('scores are finite float32 [B], the same each time, the same alone as in a batch', async () => {
    const reward = await make();
    const { frames, prompts } = input(reward.info.kind, 3);
    const scores = reward.score(frames, prompts);
    expect(scores.shape).toEqual([3]);
    expect(scores.dtype).toBe('float32');
    const together = await scores.data();
    expect(together.every(Number.isFinite)).toBe(true);
    expect(await reward.score(frames, prompts).data()).toEqual(together);
    const alone = prompts.map((prompt, i) => {
      const one = tf.slice(frames, [i, ...frames.shape.slice(1).map(() => 0)], [1, ...frames.shape.slice(1)]);
      return reward.score(one, [prompt]).dataSync()[0]!;
    });
    if (!reward.info.drawsInEncode) expect(alone).toBeAllClose(together, { atol: 1e-4, rtol: 1e-4 });
    reward.dispose();
  });

  test('values outside [0, 1], NaN, wrong shapes and counts are refused', async () => {
    const reward = await make();
    const { frames, prompts } = input(reward.info.kind, 2);
    expect(() => reward.score(tf.add(frames, 1), prompts)).toThrow('[0, 1]');
    expect(() => reward.score(tf.sub(frames, 1), prompts)).toThrow('[0, 1]');
    const { shape } = frames;
    const broken = frames.dataSync().slice();
    broken[17] = Number.NaN;
    expect(() => reward.score(tf.tensor(broken, shape), prompts)).toThrow('finite');
    expect(() => reward.score(frames, prompts.slice(1))).toThrow('1 prompts for 2 inputs');
    expect(() => reward.score(tf.reshape(frames, [2, -1]), prompts)).toThrow('frames have shape');
    reward.dispose();
  });

  test('the gradient agrees with central differences on eight pixels', async () => {
    const reward = await make();
    if (!reward.info.differentiable) return;
    const { frames, prompts } = input(reward.info.kind, 2);
    await expectCentralDifferences(reward, frames, prompts);
    reward.dispose();
  });

  test('twenty ascent steps raise every score', async () => {
    const reward = await make();
    if (!reward.info.differentiable) return;
    const { frames, prompts } = input(reward.info.kind, 2);
    await expectAscent(reward, frames, prompts);
    reward.dispose();
  });

  test('scoring leaves no tensor behind', async () => {
    const reward = await make();
    const { frames, prompts } = input(reward.info.kind, 2);
    reward.score(frames, prompts).dispose();
    const count = tf.memory().numTensors;
    reward.score(frames, prompts).dispose();
    expect(tf.memory().numTensors).toBe(count);
    reward.dispose();
  });
});

test('a reward without gradient is a constant of the graph', async () => {
  const blind = createReward({
    info: { id: 'blind', kind: 'frame', differentiable: false, higherIsBetter: true, inputSize: null },
    textInputs: 0,
    encode: () => [],
    compute: (frames) => tf.mean(frames, [1, 2, 3]),
    dispose: () => {},
  });
  const { frames } = input('frame', 1);
  const gradient = tf.grad((x: Tensor) => tf.add(tf.sum(blind.compute(x, [])), tf.sum(tf.mul(x, 2))))(frames);
  expect([...(await gradient.data())].every((value) => value === 2)).toBe(true);
});

test('the motion reward is 1 for the claimed motion, 0 for none, -3 for the opposite', async () => {
  const label = { digit: 2, colour: 'white', direction: 'left', speed: 'quickly' } as const;
  const clips = [
    digits.clip(0, { label }),
    digits.clip(0, { label, still: true }),
    digits.clip(0, { label: { ...label, direction: 'right' } }),
  ];
  const frames = tf.stack(clips.map(({ clip }) => tf.tensor4d(clip.data, [clip.frames, SIZE, SIZE, 3])));
  const scores = await motionReward()
    .score(frames, new Array(3).fill(digits.caption(label)))
    .data();
  expect(scores).toBeAllClose([1, 0, -3], { atol: 0.02 });
});

test('frame choices see the frames they name', async () => {
  const steps = tf.tidy(() => tf.mul(tf.ones([2, 4, 8, 8, 3]), tf.tensor([0, 0.1, 0.2, 0.9], [1, 4, 1, 1, 1])));
  const seen = async (...choice: [Parameters<typeof frameSelect>[1], Parameters<typeof frameSelect>[2]?]) => [
    ...(await frameSelect(brightness(), ...choice)
      .score(steps, ['', ''])
      .data()),
  ];
  expect(await seen('last')).toBeAllClose([0.9, 0.9], { atol: 1e-6 });
  expect(await seen('first')).toBeAllClose([0, 0], { atol: 1e-6 });
  expect(await seen('middle')).toBeAllClose([0.2, 0.2], { atol: 1e-6 });
  expect(await seen(-3)).toBeAllClose([0.1, 0.1], { atol: 1e-6 });
  expect(await seen('all')).toBeAllClose([0.3, 0.3], { atol: 1e-6 });
  const drawn = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    for (const value of await seen('random', { key: random.key(seed) })) drawn.add(Math.round(10 * value));
  }
  expect(drawn).toEqual(new Set([0, 1, 2, 9]));
  await expect(seen(4)).rejects.toThrow('frame 4 of a clip of 4');
  expect(() => frameSelect(brightness(), 'random')).toThrow('{ key }');
  expect(() => frameSelect(frameSelect(brightness(), 'last'), 'last')).toThrow('want a frame reward');
});

test('weights that do not fit are refused by name', () => {
  const { weights } = smallRewardNet.init(SECOND_JUDGE, random.key(1));
  expect(() => smallReward(weights, { config: SMALL_REWARD })).toThrow('vision.stem.0.weight');
});

test('weights and scales that would make every score NaN are refused', () => {
  const reward = brightness();
  expect(() => weighted([{ reward, weight: Number.NaN }])).toThrow('the weight of brightness is NaN');
  expect(() => standardised(reward, { mean: Number.NaN, std: 1 })).toThrow('mean is NaN');
  expect(() => standardised(reward, { mean: 0, std: 0 })).toThrow('std is 0');
});

test('standardised brings a reference set to mean 0 and deviation 1', async () => {
  const { measureScale } = await import('../../src/reward/index.ts');
  const levels = [0.1, 0.4, 0.7];
  const reference = levels.map((level) => ({
    frames: toTensor({ dtype: 'float32', shape: [1, 4, 4, 3], data: new Float32Array(48).fill(level) }),
    prompts: [''],
  }));
  const scaled = standardised(brightness(), await measureScale(brightness(), reference));
  const scores = reference.map(({ frames }) => scaled.score(frames, ['']).dataSync()[0]!);
  expect(scores).toBeAllClose([-1.224745, 0, 1.224745], { atol: 1e-4 });
  expect(scaled.info.mean).toBeCloseTo(0.4, 5);
});
