import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import {
  highFrequencyShare,
  meanChroma,
  type Picture,
  saturatedShare,
} from '../../src/evaluate/diagnostics/pictures.ts';
import { promptMargin } from '../../src/evaluate/diagnostics/reward-signals.ts';
import {
  type HackingSignals,
  hackingAlarms,
  hackingSignals,
  meanScore,
  rewardCurve,
  scoreClips,
} from '../../src/evaluate/index.ts';
import { type Clip, clipFrame, sliceClip } from '../../src/io/index.ts';
import { createReward, frameSelect, type Reward } from '../../src/reward/index.ts';
import { digits } from '../../src/world/index.ts';

beforeAll(async () => {
  await engine.use('onnx');
});

const picture = (size: number, value: (x: number, y: number, c: number) => number): Picture => ({
  data: Float32Array.from({ length: size * size * 3 }, (_, i) => {
    return value(Math.floor(i / 3) % size, Math.floor(i / 3 / size), i % 3);
  }),
  height: size,
  width: size,
});

describe('pictures', () => {
  test('high frequencies: none in a slow wave, all in a checkerboard, none in a flat picture', () => {
    const wave = picture(32, (x) => 0.5 + 0.4 * Math.cos((2 * Math.PI * 2 * x) / 32));
    const board = picture(32, (x, y) => (x + y) % 2);
    expect(highFrequencyShare(wave)).toBeCloseTo(0, 6);
    expect(highFrequencyShare(board)).toBeCloseTo(1, 6);
    expect(highFrequencyShare(picture(16, () => 0.7))).toBe(0);
    const both = picture(32, (x, y) => 0.5 + 0.2 * Math.cos((2 * Math.PI * 2 * x) / 32) + 0.1 * (-1) ** (x + y));
    expect(highFrequencyShare(both)).toBeCloseTo(0.1 ** 2 / (0.1 ** 2 + 0.2 ** 2 / 2), 5);
  });

  test('works on sides that are no power of two and differ', () => {
    const data = picture(20, (x, y) => (x + y) % 2).data.subarray(0, 20 * 10 * 3);
    expect(highFrequencyShare({ data, height: 10, width: 20 })).toBeCloseTo(1, 6);
  });

  test('saturation, chroma', () => {
    expect(saturatedShare(picture(4, (x) => [0, 1, 0.5, 0.003][x]!))).toBe(0.75);
    expect(meanChroma(picture(4, (_, __, c) => [0.9, 0.4, 0.2][c]!))).toBeCloseTo(0.7, 6);
  });
});

/** Likes frames by the brightness of the channel that the prompt names. */
function channelReward(): Reward {
  return createReward({
    info: { id: 'channel', kind: 'frame', differentiable: true, inputSize: null },
    encode: (prompts) => {
      const rows = prompts.map((prompt) => ['red', 'green', 'blue'].map((name) => (prompt.includes(name) ? 1 : 0)));
      return { named: tf.tensor2d(rows) };
    },
    compute: (frames, { named }) => tf.sum(tf.mul(tf.mean(frames, [1, 2]), named!), 1),
    dispose: () => {},
  });
}

const named = (colour: digits.Colour, index: number) =>
  digits.clip(index, { label: { digit: 4, colour, direction: 'left', speed: 'slowly' } });

describe('rewards along clips', () => {
  const clips = [named('red', 0), named('green', 1), named('blue', 2)];
  const prompts = clips.map(({ caption }) => caption);
  const videos = clips.map(({ clip }) => clip);

  test('the curve has a value per frame and notices a last frame that is better alone', async () => {
    const flat = await rewardCurve(videos, prompts, channelReward());
    expect(flat.mean).toHaveLength(9);
    expect(flat.lastMinusOthers).toBeCloseTo(0, 5);
    const brighter = videos.map((clip) => {
      const data = clip.data.slice();
      for (const [i] of clipFrame(clip, -1).entries()) data[data.length - 1 - i] = 1;
      return { ...clip, data };
    });
    expect((await rewardCurve(brighter, prompts, channelReward())).lastMinusOthers).toBeGreaterThan(0.5);
  });

  test('scores of clips are those of the frames that the judge sees, with an interval around their mean', async () => {
    const { scores } = await rewardCurve(videos, prompts, channelReward());
    const last = scores.map((row) => row.at(-1)!);
    expect(await scoreClips(channelReward(), videos, prompts)).toEqual(last);
    const { estimate, low, high } = await meanScore(channelReward(), videos, prompts);
    expect(estimate).toBeCloseTo(last.reduce((sum, score) => sum + score, 0) / last.length, 6);
    expect(low).toBeLessThan(estimate);
    expect(high).toBeGreaterThan(estimate);
    const uneven = [sliceClip(videos[0]!, 0, 2), ...videos.slice(1)];
    await expect(scoreClips(channelReward(), uneven, prompts)).rejects.toThrow('wanted 2 frames of 32x32 each');
  });

  test('the prompt margin is positive where the prompt matters and zero where it does not', async () => {
    expect(await promptMargin(videos, prompts, channelReward())).toBeGreaterThan(0.01);
    const grey = videos.map((clip) => ({ ...clip, data: clip.data.map((_, i) => clip.data[i - (i % 3)]!) }));
    expect(await promptMargin(grey, prompts, channelReward())).toBeCloseTo(0, 6);
    await expect(promptMargin(videos.slice(0, 1), prompts.slice(0, 1), channelReward())).rejects.toThrow(
      'two different',
    );
  });

  test('signals of true clips raise no alarm; frozen, textured clips do', async () => {
    const healthy = await hackingSignals(videos, prompts, channelReward(), channelReward());
    expect(healthy.dynamicDegree).toBe(1);
    expect(healthy.gradientNorm).toBeGreaterThan(0);
    expect(hackingAlarms(healthy, healthy)).toEqual([]);
    const hacked = videos.map(freezeAndTexture);
    const alarms = hackingAlarms(await hackingSignals(hacked, prompts, channelReward()), healthy);
    expect(alarms.join('; ')).toContain('fine texture');
    expect(alarms.join('; ')).toContain(
      'static video (fall of the share of moving clips: 100.0 %, above the limit of 3.0 %)',
    );
  });

  test('frames need not be square, and a reward need not have a gradient', async () => {
    const wide = videos.map((video): Clip => ({ ...video, height: video.height / 2, width: 2 * video.width }));
    const blind = createReward({ ...channelReward(), info: { ...channelReward().info, differentiable: false } });
    const signals = await hackingSignals(wide, prompts, blind);
    expect(signals.gradientNorm).toBeNull();
    expect(Object.values({ ...signals, gradientNorm: 0, heldOut: 0 }).every(Number.isFinite)).toBe(true);
    const whole = frameSelect(channelReward(), 'last');
    await expect(hackingSignals(wide, prompts, whole)).rejects.toThrow('judges whole clips');
  });

  test('a training reward that rises against the held-out one is reported', () => {
    const base = { reward: 0, heldOut: 0, robustnessGap: 0, promptMargin: 1 } as HackingSignals;
    const text = hackingAlarms({ ...base, reward: 1, heldOut: -0.2 }, base);
    expect(text).toEqual([expect.stringMatching(/^reward hacking \(.*every independent one fell: 1, above.*0\)$/)]);
  });
});

/** The first frame forever, under a fine bright pattern. */
function freezeAndTexture(clip: Clip): Clip {
  const size = clip.height * clip.width * 3;
  const data = Float32Array.from(clip.data, (_, i) => {
    const pixel = Math.floor((i % size) / 3);
    const texture = ((pixel % clip.width) + Math.floor(pixel / clip.width)) % 2;
    return Math.min(1, clip.data[i % size]! + 0.4 * texture);
  });
  return { ...clip, data };
}
