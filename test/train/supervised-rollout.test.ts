import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type WanConfig, wanShapes } from '../../src/model/internal.ts';
import { wanConfig } from '../../src/model/wan/config.ts';
import { random, toTensor, Weights } from '../../src/nn/index.ts';
import type { FrameChoice } from '../../src/reward/index.ts';
import { type BoundStudent, causalStudent, denoisingSteps, seededNoise } from '../../src/sampler/index.ts';
import { blockRanges } from '../../src/sampler/internal.ts';
import { gradientsOf, parametersOf, reward } from '../../src/train/index.ts';
import { globalNorm } from '../../src/train/optimiser/optimiser.ts';
import {
  blockOfFrame,
  pixelFrames,
  releaseRollouts,
  supervisedLatents,
  supervisedRollouts,
} from '../../src/train/rollout/supervised-rollout.ts';
import { hashed, hashedWeight } from '../model/hashed.ts';
import { collect, latentShape, prompts, redness, schedule, text, wanNet } from './small.ts';
import { pixelDecoder } from './toys.ts';

beforeAll(async () => {
  await use('cpu');
});

describe('frames and blocks', () => {
  test('the first latent makes one frame, each later one a stride', () => {
    expect([1, 2, 21].map((latents) => pixelFrames(latents, 4))).toEqual([1, 5, 81]);
  });

  test('a frame belongs to the block of the latent that it is decoded from', () => {
    const ranges = blockRanges(21, { framesPerBlock: 3 });
    const blocks = [0, 1, 8, 9, 20, 21, 80].map((frame) => blockOfFrame(ranges, frame, 4).index);
    expect(blocks).toEqual([0, 0, 0, 1, 1, 2, 6]);
    expect(() => blockOfFrame(ranges, 81, 4)).toThrow(/frame 81 lies outside/);
  });
});

/** The deterministic network of the specification: hashed weights, and noise frames of their own names. */
const hashedConfig: WanConfig = wanConfig({
  ...{ dim: 64, ffn_dim: 128, freq_dim: 32, text_dim: 24, text_len: 6, num_heads: 2, num_layers: 2 },
  ...{ in_dim: 4, out_dim: 4, num_frame_per_block: 1 },
});

test('gradient is truncated to the last block: loss and norm of the worked example', async () => {
  const shapes = [...wanShapes(hashedConfig)];
  const weights = Weights.from(shapes.map(([name, shape]) => [name, host(hashedWeight(name, shape), shape)]));
  const context = tf.tensor3d(hashed('context', [1, 5, 24]), [1, 5, 24]);
  const frames = ['noise0', 'noise1', 'noise2'].map((name) =>
    channelsLast(hashed(name, [1, 1, 4, 4, 6]), [1, 1, 4, 4, 6]),
  );
  const student = causalStudent({ weights, config: hashedConfig }, context);
  const ranges = blockRanges(3, student.blocks);
  const blocks = [blockOfFrame(ranges, 2, 1)];
  const schedule = denoisingSteps([1000, 750, 500, 250], { shift: 5 });
  const options = { schedule, renoise: (_: number, __: number, shape: number[]) => tf.zeros(shape), exitStep: 0 };
  const rollouts = await supervisedRollouts(student, tf.concat(frames, 1), blocks, options);
  const { loss, gradients } = gradientsOf(parametersOf(weights), () => {
    const latents = supervisedLatents({ student, rollouts, blocks });
    return { loss: tf.mean(tf.square(tf.slice(latents, [0, 2], [-1, 1]))) };
  });
  expect(loss.dataSync()).toBeAllClose([1.604921], { atol: 1e-4 });
  expect(globalNorm(gradients).dataSync()).toBeAllClose([7.4403], { atol: 1e-3 });
  releaseRollouts(rollouts);
});

/** A student that notes its passes: how many frames were in its memory, and whether the pass carries gradient. */
function watched(student: BoundStudent, calls: { block: number; gradient: boolean }[]): BoundStudent {
  const velocity: BoundStudent['velocity'] = (x, t, cache, options) => {
    calls.push({ block: cache.globalEnd, gradient: options?.gradient === true });
    return student.velocity(x, t, cache, options);
  };
  return { ...student, velocity };
}

describe('gradient', () => {
  test.each([[[2]], [[0]], [[1]], [[0, 1, 2]]])('flows through the exit pass of blocks %j alone', async (wanted) => {
    const calls: { block: number; gradient: boolean }[] = [];
    const net = wanNet();
    const context = await text.encode(['digit 1']);
    const student = watched(causalStudent(net, context), calls);
    const key = random.key('rollout');
    const blocks = blockRanges(3, student.blocks).filter(({ index }) => wanted.includes(index));
    const noise = toTensor(key.normal([1, ...latentShape]));
    const options = { schedule, renoise: seededNoise(key), exitStep: 1 };
    const rollouts = await supervisedRollouts(student, noise, blocks, options);
    const { gradients } = gradientsOf(parametersOf(net.weights), () => ({
      loss: tf.mean(tf.square(supervisedLatents({ student, rollouts, blocks }))),
    }));
    expect(gradients.size).toBeGreaterThan(20);
    expect(calls.filter(({ gradient }) => gradient).map(({ block }) => block)).toEqual(wanted);
    expect(Math.max(...calls.map(({ block }) => block))).toBe(Math.max(...wanted));
    releaseRollouts(rollouts);
  });
});

describe('frame selection', () => {
  const cases: [FrameChoice, number, number][] = [
    ['last', 2, 1],
    ['first', 0, 1],
    ['middle', 1, 1],
    [-2, 1, 1],
    ['all', -1, 3],
  ];

  const judged = (frames: FrameChoice, onDecode?: (gradientLatents: number) => void) => ({
    ...{ student: wanNet(), decoder: pixelDecoder(1, onDecode), reward: redness, frames },
    ...{ prompts, text, latentShape, batch: 1, lr: 1e-3, seed: 3 },
  });

  test.each(cases)('%s: frame %i is judged, and the gradient reaches %i latents', async (frames, wanted, reach) => {
    const reaches: number[] = [];
    const options = { ...judged(frames, (latents) => reaches.push(latents)), schedule, exitSteps: 'last' as const };
    const [step] = await collect(reward({ ...options, steps: 1 }));
    expect(step!.frame).toBe(wanted);
    expect(reaches).toEqual([reach]);
  });

  test('random per batch draws another frame each step, from the seed', async () => {
    const run = () =>
      collect(reward({ ...judged('random-per-batch'), schedule: denoisingSteps([1000], { shift: 5 }), steps: 12 }));
    const frames = (await run()).map(({ frame }) => frame);
    expect(new Set(frames)).toEqual(new Set([0, 1, 2]));
    expect((await run()).map(({ frame }) => frame)).toEqual(frames);
  });

  test('a frame that clips do not have is refused before the first step', async () => {
    const run = reward({ ...judged(3), schedule, steps: 1 });
    await expect(collect(run)).rejects.toThrow(/frame 3 of a clip of 3/);
  });

  test('a reward without gradient is refused', async () => {
    const blind = { ...redness, info: { ...redness.info, id: 'blind', differentiable: false } };
    const run = reward({ ...judged('last'), reward: blind, schedule, steps: 1 });
    await expect(collect(run)).rejects.toThrow(/reward: blind has no gradient/);
  });
});

function host(data: Float32Array, shape: readonly number[]) {
  return { dtype: 'float32' as const, shape: [...shape], data };
}

/** [B, F, C, H, W] as the specification lists it, in our order. */
function channelsLast(data: Float32Array, shape: [number, number, number, number, number]): Tensor {
  return tf.transpose(tf.tensor5d(data, shape), [0, 1, 3, 4, 2]);
}
