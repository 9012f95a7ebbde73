import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { type Clip, createClip } from '../../src/io/index.ts';
import { random } from '../../src/nn/index.ts';
import { climb, createReward, frameGradient, lens, type Reward } from '../../src/reward/index.ts';
import { frameCurve } from '../../src/reward/lens/lens.ts';
import { occlusionMap } from '../../src/reward/lens/occlusion.ts';
import { lens as draw } from '../../src/show/index.ts';

beforeAll(() => use('onnx'));

const [FRAMES, SIDE] = [4, 8];
const clip: Clip = createClip(random.key(1).uniform([FRAMES, SIDE, SIDE, 3], 0.2, 0.8).data as Float32Array, {
  ...{ frames: FRAMES, height: SIDE, width: SIDE, fps: 8 },
});

/** Likes green in the upper left quarter: 3 points for each unit there, in mean. */
function corner(kind: 'frame' | 'clip', differentiable = true): Reward {
  return createReward({
    info: { id: 'corner', kind, differentiable, inputSize: null },
    encode: () => ({}),
    compute: (frames) => {
      const last = kind === 'clip' ? tf.squeeze(tf.slice(frames, [0, FRAMES - 1], [-1, 1]), [1]) : frames;
      return tf.mul(3, tf.mean(tf.slice(last, [0, 0, 0, 1], [-1, SIDE / 2, SIDE / 2, 1]), [1, 2, 3]));
    },
    dispose: () => undefined,
  });
}

test.each(['frame', 'clip'] as const)('a %s reward shows its slope on the pixels', async (kind) => {
  const slope = await frameGradient({ reward: corner(kind), clip, prompt: '', frame: FRAMES - 1 });
  const wanted = Float32Array.from({ length: SIDE * SIDE * 3 }, (_, i) => {
    const [y, x] = [Math.floor(i / 3 / SIDE), Math.floor(i / 3) % SIDE];
    return i % 3 === 1 && y < SIDE / 2 && x < SIDE / 2 ? 3 / (SIDE / 2) ** 2 : 0;
  });
  expect(slope).toBeAllClose(wanted, { atol: 1e-6 });
});

test('a clip reward that looks at the last frame alone has no slope on the first', async () => {
  const slope = await frameGradient({ reward: corner('clip'), clip, prompt: '', frame: 0 });
  expect(slope.every((value) => value === 0)).toBe(true);
});

test.each(['frame', 'clip'] as const)(
  'covering costs a %s reward points where it looks, and only there',
  async (kind) => {
    const view = { reward: corner(kind, false), clip, prompt: '', frame: FRAMES - 1 };
    const { data } = await occlusionMap(view, { window: 4, stride: 4, fill: 0, batch: 3 });
    const score = (await occlusionMap(view, { window: 8, fill: 0 })).data[0]!;
    expect(data[0]!).toBeCloseTo(score, 5);
    expect(score).toBeGreaterThan(1);
    expect(data.filter((_, i) => i % SIDE >= 4 || i >= 4 * SIDE).every((value) => Math.abs(value) < 1e-6)).toBe(true);
  },
);

test('windows reach the last pixel whatever the stride', async () => {
  const view = { reward: corner('frame'), clip, prompt: '', frame: 0 };
  const { data } = await occlusionMap(view, { window: 3, stride: 2 });
  expect(data.every(Number.isFinite)).toBe(true);
  await expect(occlusionMap(view, { window: 9 })).rejects.toThrow('window: wanted an integer in 1..8, received 9');
  await expect(occlusionMap(view, { stride: 0 })).rejects.toThrow('stride');
});

test('a frame reward is followed along the clip; a clip reward tells what each frame is worth', async () => {
  const ofFrames = await frameCurve({ reward: corner('frame'), clip, prompt: '' });
  const ofClip = await frameCurve({ reward: corner('clip'), clip, prompt: '' });
  expect([ofFrames.meaning, ofClip.meaning]).toEqual(['score', 'worth']);
  expect(ofClip.values.slice(0, -1)).toBeAllClose([0, 0, 0], { atol: 1e-6 });
  expect(ofClip.values.at(-1)).toBeCloseTo(ofFrames.values[3]! - ofFrames.values[2]!, 5);
});

test('a climb stays within the bounds of pixels and raises the score', async () => {
  const { picture, scores } = await climb(
    { reward: corner('clip'), clip, prompt: '', frame: 3 },
    { steps: 5, rate: 0.1 },
  );
  expect(scores).toHaveLength(6);
  expect(scores.at(-1)).toBeGreaterThan(scores[0]! + 0.5);
  expect(Math.max(...picture)).toBe(1);
});

test('the whole lens, with and without gradient, is drawn and leaves nothing behind', async () => {
  await lens(corner('frame'), clip, 'a corner');
  const before = tf.memory().numTensors;
  const seen = await lens(corner('frame'), clip, 'a corner', { frame: -2 });
  const blind = await lens(corner('clip', false), clip, 'a corner');
  expect(tf.memory().numTensors).toBe(before);
  expect(seen.frame).toBe(2);
  expect([blind.gradient, blind.climb]).toEqual([null, null]);
  expect(draw(seen).toText()).toContain('corner on frame 2: a corner (score');
  const [wide, narrow] = await Promise.all([seen, blind].map(async (one) => widthOf(await draw(one).toPng())));
  expect(wide! - narrow!).toBe(2 * 2 * (144 + 14));
  await expect(lens(corner('frame'), clip, '', { frame: 4 })).rejects.toThrow('frame: wanted');
  await expect(climb({ reward: corner('frame', false), clip, prompt: '', frame: 0 })).rejects.toThrow('occlusionMap');
});

function widthOf(png: Uint8Array): number {
  return new DataView(png.buffer, png.byteOffset).getUint32(16);
}
