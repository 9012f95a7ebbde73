import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { random } from '../../src/nn/index.ts';
import { chooseFrames } from '../../src/reward/frames.ts';
import {
  batched,
  cachedText,
  createReward,
  type FrameChoice,
  frameSelect,
  type ImageRewardOptions,
  type Judge,
  measureScale,
  type Reward,
  standardised,
  type VisionReward,
  visionReward,
  weighted,
} from '../../src/reward/index.ts';
import { videoAlignScale } from '../../src/reward/videoalign.ts';
import { visionRewardWeights } from '../../src/reward/visionreward.ts';
import { digits, type PreferenceConfig, preferenceArchitecture, preferenceReward } from '../../src/world/index.ts';
import { preferenceConfig } from '../../src/world/internal.ts';
import { expectAscent, expectCentralDifferences } from './slopes.ts';
import { tinyAesthetic, tinyClipScore, tinyImageReward, tinyVideoAlign, tinyVideoAlignPrompts } from './tiny.ts';

/** Fresh weights have almost flat scores: `scale` raises them to where finite differences can be read. */
const { words, attributes } = digits.digitTask({ id: 'digits', options: {} });
const architecture = preferenceArchitecture(attributes);
const SMALL = preferenceConfig(32, 27);
const TINY: PreferenceConfig = { ...SMALL, stem: 8, width: 32, ffn: 64, visionLayers: 1, textLayers: 1 };
const small = (config = TINY, seed = 1): Reward =>
  preferenceReward(architecture.init(config, random.key(seed)), { words, id: 'small', scale: { mean: 0, std: 0.02 } });
const imageReward = (options: ImageRewardOptions = {}): Promise<Reward> =>
  tinyImageReward({ onTruncated: () => {}, ...options });
const brightness = (): Reward =>
  createReward({
    info: { id: 'brightness', kind: 'frame', differentiable: true, inputSize: null },
    encode: () => ({}),
    compute: (frames) => tf.mean(frames, [1, 2, 3]),
    dispose: () => {},
  });

/** VisionReward on a server that likes some questions more than others. */
function served(): VisionReward {
  const answer: typeof fetch = async (_, init) => {
    const number = Number(/"(\d+): /.exec(String(init?.body))?.[1]);
    return Response.json({ choices: [{ message: { content: number % 3 ? 'yes' : 'no' } }] });
  };
  const questions = visionRewardWeights.map((_, i) => `${i}: [[prompt]]?`);
  return visionReward({ endpoint: 'http://localhost/v1', model: 'judge', questions, fetch: answer });
}

/** One suite for every judge: a new one adds a row. */
const rows: [string, () => Judge | Promise<Judge>][] = [
  ['visionreward on a server', served],
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
  ['clip score on a random frame', () => frameSelect(tinyClipScore(), 'random-per-clip')],
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
  ['small', () => small(SMALL)],
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
  ['motion', digits.motionReward],
  ['last frame', () => frameSelect(small(), 'last')],
  ['frame 1', () => frameSelect(small(), 1)],
  ['a random frame of each clip', () => frameSelect(small(), 'random-per-clip')],
  ['a random frame of the batch', () => frameSelect(small(), 'random-per-batch')],
  ['all frames', () => frameSelect(small(), 'all')],
  [
    'weighted clip rewards',
    () =>
      weighted([
        { reward: frameSelect(small(), 'random-per-clip'), weight: 1 },
        { reward: frameSelect(small({ ...TINY, stem: 4 }), 'all'), weight: 1 },
      ]),
  ],
];

const FRAMES = 4;
const SIZE = digits.SIZE;

/** Noisy frames of digits, kept off the bounds so that steps in both directions are legal: [count, FRAMES, H, W, 3]. */
function input(count: number): { video: Tensor; prompts: string[] } {
  const clips = Array.from({ length: count }, (_, i) => digits.clip(i, { seed: 11 }));
  const length = SIZE * SIZE * 3;
  const noise = random.key(3).normal([count * FRAMES * length]).data;
  const values = Float32Array.from({ length: count * FRAMES * length }, (_, i) => {
    const item = Math.floor(i / (FRAMES * length));
    const pixel = clips[item]!.clip.data[i % (FRAMES * length)]!;
    return Math.min(0.95, Math.max(0.05, 0.1 + 0.75 * pixel + 0.05 * noise[i]!));
  });
  return { video: tf.tensor(values, [count, FRAMES, SIZE, SIZE, 3]), prompts: clips.map(({ caption }) => caption) };
}

/** What the gradient reaches: the first frames for a judge of pictures, else the clips. */
function seen(judge: Judge, video: Tensor): Tensor {
  return judge.info.kind === 'clip' ? video : tf.squeeze(tf.slice(video, [0, 0], [-1, 1]), [1]);
}

function isReward(judge: Judge): judge is Reward {
  return 'compute' in judge;
}

describe.each(['onnx', 'cpu'] as const)('on %s', (name) => {
  beforeAll(async () => {
    await engine.use(name);
  });

  describe.each(rows)('the contract, %s', (_, make) => {
    const key = random.key(5);

    test('scores are finite numbers, the same each time, the same alone as in a batch', async () => {
      const judge = await make();
      const { video, prompts } = input(3);
      const together = await judge.score(video, prompts, key);
      expect(together).toHaveLength(3);
      expect(together.every(Number.isFinite)).toBe(true);
      expect(await judge.score(video, prompts, key)).toEqual(together);
      if (judge.info.random) return;
      for (const [i, prompt] of prompts.entries()) {
        const alone = await judge.score(tf.slice(video, [i], [1]), [prompt]);
        expect(alone).toBeAllClose([together[i]!], { atol: 1e-4, rtol: 1e-4 });
      }
      judge.dispose();
    });

    test('values outside [0, 1], NaN, wrong shapes and counts are refused', async () => {
      const judge = await make();
      const { video, prompts } = input(2);
      const score = (given: Tensor, texts: string[] = prompts) => judge.score(given, texts, key);
      await expect(score(tf.add(video, 1))).rejects.toThrow('[0, 1]');
      await expect(score(tf.sub(video, 1))).rejects.toThrow('[0, 1]');
      const broken = video.dataSync().slice();
      broken[17] = Number.NaN;
      await expect(score(tf.tensor(broken, video.shape))).rejects.toThrow('finite');
      await expect(score(video, prompts.slice(1))).rejects.toThrow('1 prompts for 2 clips');
      await expect(score(tf.reshape(video, [2, -1]))).rejects.toThrow('frames have shape');
      judge.dispose();
    });

    test('what is random needs a key, which decides it', async () => {
      const judge = await make();
      const { video, prompts } = input(3);
      const scores = (seed: number) => judge.score(video, prompts, random.key(seed));
      if (judge.info.random) await expect(judge.score(video, prompts)).rejects.toThrow('random.key(0)');
      const all = await Promise.all([1, 2, 3, 4, 5, 6].map(scores));
      expect(new Set(all.map(String)).size > 1).toBe(judge.info.random === true);
      judge.dispose();
    });

    test('the gradient agrees with central differences', async () => {
      const judge = await make();
      if (!isReward(judge) || !judge.info.differentiable) return;
      const { video, prompts } = input(name === 'cpu' ? 1 : 2);
      await expectCentralDifferences(judge, seen(judge, video), prompts, name === 'cpu' ? 2 : 8); // it is slow
      judge.dispose();
    });

    // the way up is the reward's, whichever engine runs; on the interpreter it would take minutes
    test.skipIf(name === 'cpu')('twenty ascent steps raise every score', async () => {
      const judge = await make();
      if (!isReward(judge) || !judge.info.differentiable) return;
      const { video, prompts } = input(2);
      await expectAscent(judge, seen(judge, video), prompts);
      judge.dispose();
    });

    test('scoring leaves no tensor behind', async () => {
      const judge = await make();
      const { video, prompts } = input(2);
      await judge.score(video, prompts, key);
      const count = tf.memory().numTensors;
      await judge.score(video, prompts, key);
      expect(tf.memory().numTensors).toBe(count);
      judge.dispose();
    });
  });
});

test('a reward without gradient is a constant of the graph', async () => {
  const blind = createReward({
    info: { id: 'blind', kind: 'frame', differentiable: false, inputSize: null },
    encode: () => ({}),
    compute: (frames) => tf.mean(frames, [1, 2, 3]),
    dispose: () => {},
  });
  const frames = tf.fill([1, 4, 4, 3], 0.5);
  const gradient = tf.grad((x: Tensor) => tf.add(tf.sum(blind.compute(x, {})), tf.sum(tf.mul(x, 2))))(frames);
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
  const scores = await digits.motionReward().score(frames, new Array(3).fill(digits.caption(label)));
  expect(scores).toBeAllClose([1, 0, -3], { atol: 0.02 });
});

test('frame choices see the frames they name', async () => {
  const levels = [0, 0.1, 0.2, 0.9];
  const steps = tf.tidy(() => tf.mul(tf.ones([3, 4, 8, 8, 3]), tf.tensor(levels, [1, 4, 1, 1, 1])));
  const see = (choice: FrameChoice, seed?: number) =>
    frameSelect(brightness(), choice).score(steps, ['', '', ''], seed === undefined ? undefined : random.key(seed));
  const fixed: [FrameChoice, number][] = [
    ['last', 0.9],
    ['first', 0],
    ['middle', 0.2],
    [-3, 0.1],
    ['all', 0.3],
  ];
  for (const [choice, level] of fixed) expect(await see(choice)).toBeAllClose([level, level, level], { atol: 1e-6 });
  expect(await brightness().score(steps, ['', '', ''])).toEqual(await see('last'));
  const draws = async (choice: FrameChoice) =>
    Promise.all(
      Array.from({ length: 40 }, async (_, seed) => (await see(choice, seed)).map((x) => Math.round(10 * x))),
    );
  const [perClip, perBatch] = [await draws('random-per-clip'), await draws('random-per-batch')];
  for (const drawn of [perClip, perBatch]) expect(new Set(drawn.flat())).toEqual(new Set([0, 1, 2, 9]));
  expect(perClip.some((row) => new Set(row).size > 1)).toBe(true);
  expect(perBatch.every((row) => new Set(row).size === 1)).toBe(true);
  await expect(see(4)).rejects.toThrow('frame 4 of a clip of 4');
  await expect(see('random' as FrameChoice)).rejects.toThrow('random-per-clip');
  expect(() => frameSelect(frameSelect(brightness(), 'last'), 'last')).toThrow('wanted a frame reward');
});

test('a choice means the same frame wherever it is made', async () => {
  const key = random.key(8);
  const frames = 21;
  const clips = tf.tidy(() =>
    tf.mul(tf.ones([4, frames, 2, 2, 3]), tf.reshape(tf.range(0, frames), [1, frames, 1, 1, 1])),
  );
  const video = tf.div(clips, frames);
  for (const choice of ['random-per-batch', 'random-per-clip', 'middle', 2] as const) {
    const chosen = chooseFrames(choice, { clips: 4, frames, key });
    const scores = await frameSelect(brightness(), choice).score(video, ['', '', '', ''], key);
    const wanted = typeof chosen === 'number' ? new Array(4).fill(chosen) : [...(chosen as Int32Array)];
    expect(scores.map((score) => Math.round(score * frames))).toEqual(wanted);
  }
  expect(chooseFrames('random-per-batch', { clips: 4, frames, key })).toBe(key.stream('frame').integer(0, frames));
});

test('everything that changes the numbers is part of what a judge says of itself', async () => {
  const prompts = await tinyVideoAlignPrompts();
  const pairs: [Judge, Judge][] = [
    [await imageReward(), await imageReward({ textLength: 6 })],
    [await imageReward(), await imageReward({ clamp: 'none' })],
    [tinyAesthetic('mlp'), tinyAesthetic('mlp', 'relu')],
    [tinyVideoAlign(prompts), tinyVideoAlign(prompts, { fps: 16 })],
    [tinyVideoAlign(prompts), tinyVideoAlign(prompts, { sampleFps: 4 })],
    [tinyVideoAlign(prompts), tinyVideoAlign(prompts, { maxPixels: 128 })],
    [tinyVideoAlign(prompts), tinyVideoAlign(prompts, { scale: videoAlignScale })],
    [frameSelect(small(), 'all'), frameSelect(small(), 'last')],
    [standardised(small(), { mean: 0, std: 2 }), standardised(small(), { mean: 1, std: 2 })],
    [weighted([{ reward: small(), weight: 1 }]), weighted([{ reward: small(SMALL, 2), weight: 1 }])],
  ];
  for (const [one, other] of pairs) expect(one.info).not.toEqual(other.info);
});

test('weights that do not fit are refused by name', () => {
  const { weights } = architecture.init({ ...SMALL, stem: 24 }, random.key(1));
  expect(() => architecture.net(SMALL, weights)).toThrow('vision.stem.0.weight');
});

test('weights and scales that would make every score NaN are refused', () => {
  const reward = brightness();
  expect(() => weighted([{ reward, weight: Number.NaN }])).toThrow('the weight of brightness is NaN');
  expect(() => standardised(reward, { mean: Number.NaN, std: 1 })).toThrow('mean is NaN');
  expect(() => standardised(reward, { mean: 0, std: 0 })).toThrow('std is 0');
});

test('standardised brings a reference set to mean 0 and deviation 1', async () => {
  const levels = [0.1, 0.4, 0.7];
  const reference = levels.map((level) => ({ video: tf.fill([1, 1, 4, 4, 3], level), prompts: [''] }));
  const scaled = standardised(brightness(), await measureScale(brightness(), reference));
  const scores = await Promise.all(reference.map(({ video }) => scaled.score(video, [''])));
  expect(scores.flat()).toBeAllClose([-1.224745, 0, 1.224745], { atol: 1e-4 });
  expect(scaled.info.mean).toBeCloseTo(0.4, 5);
});
