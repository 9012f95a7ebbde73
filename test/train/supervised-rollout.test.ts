import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { type WanConfig, wanConfig, wanShapes } from '../../src/model/wan/index.ts';
import { Weights } from '../../src/nn/index.ts';
import type { FrameChoice } from '../../src/reward/index.ts';
import { blockRanges, type CausalStudent, denoisingSteps, wanStudent } from '../../src/sampler/index.ts';
import {
  blockOfFrame,
  globalNorm,
  gradientsOf,
  pixelFrames,
  releaseRollouts,
  reward,
  supervisedLatents,
  supervisedRollouts,
} from '../../src/train/index.ts';
import { hashed, hashedWeight } from '../model/hashed.ts';
import { collect, config, encodeText, latentShape, prompts, redness, wanWeights } from './small.ts';

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
  const student = wanStudent({ weights, config: hashedConfig }, context);
  const ranges = blockRanges(3, student.blocks);
  const blocks = [blockOfFrame(ranges, 2, 1)];
  const schedule = denoisingSteps([1000, 750, 500, 250], { shift: 5 });
  const options = { schedule, renoise: (_: number, __: number, shape: number[]) => tf.zeros(shape), exitStep: 0 };
  const rollouts = await supervisedRollouts(student, tf.concat(frames, 1), blocks, options);
  const { loss, gradients } = gradientsOf(weights, () => {
    const latents = supervisedLatents({ student, rollouts, blocks });
    return { loss: tf.mean(tf.square(tf.slice(latents, [0, 2], [-1, 1]))) };
  });
  expect(loss.dataSync()).toBeAllClose([1.604921], { atol: 1e-4 });
  expect(globalNorm(gradients).dataSync()).toBeAllClose([7.4403], { atol: 1e-3 });
  releaseRollouts(rollouts);
});

/** A decoder that shows latents as pixels, and remembers how far back the gradient may reach. */
function plainDecoder() {
  const reaches: number[] = [];
  const decode = (latents: Tensor, gradientLatents: number): Tensor => {
    reaches.push(gradientLatents);
    return tf.clipByValue(tf.concat([latents, tf.slice(latents, [0, 0, 0, 0, 0], [-1, -1, -1, -1, 1])], 4), -1, 1);
  };
  return { reaches, decoder: { stride: 1, decode } };
}

/** Passes of a student: frame, and whether it carries gradient. */
function watched(calls: { block: number; gradient: boolean }[]) {
  return (weights: Weights) => (context: Tensor) => {
    const student = wanStudent({ weights, config }, context);
    const velocity: CausalStudent<never>['velocity'] = (x, t, cache, options) => {
      const { globalEnd } = cache as { globalEnd: number };
      calls.push({ block: globalEnd, gradient: options?.gradient === true });
      return student.velocity(x, t, cache, options);
    };
    return { ...student, velocity } as typeof student;
  };
}

describe('frame selection', () => {
  const cases: [FrameChoice, number[], number][] = [
    ['last', [2], 1],
    ['first', [0], 1],
    ['middle', [1], 1],
    [-2, [1], 1],
    ['all', [0, 1, 2], 3],
  ];

  test.each(cases)('%s: gradient through the exit pass of blocks %j alone', async (frames, blocks, reach) => {
    const calls: { block: number; gradient: boolean }[] = [];
    const weights = wanWeights('teacher');
    const { reaches, decoder } = plainDecoder();
    const schedule = denoisingSteps([1000, 500], { shift: 5 });
    const student = { weights, bind: watched(calls)(weights) };
    const ingredients = { student, decoder, reward: redness, frames, prompts, encodeText, batch: 1 };
    const fixed = { lr: 1e-3, latentShape: [3, 2, 2, 2] as const, schedule, exitSteps: 'last' as const };
    await collect(reward({ ...ingredients, ...fixed, steps: 1, seed: 1 }));

    expect(calls.filter(({ gradient }) => gradient).map(({ block }) => block)).toEqual(blocks);
    expect(Math.max(...calls.map(({ block }) => block))).toBe(Math.max(...blocks));
    expect(reaches).toEqual([reach]);
  });

  test('random per batch draws another frame each step, from the seed', async () => {
    const weights = wanWeights('teacher');
    const { decoder } = plainDecoder();
    const schedule = denoisingSteps([1000], { shift: 5 });
    const student = { weights, bind: (context: Tensor) => wanStudent({ weights, config }, context) };
    const ingredients = {
      student,
      decoder,
      reward: redness,
      frames: 'random-per-batch' as const,
      prompts,
      encodeText,
      batch: 1,
    };
    const run = () => collect(reward({ ...ingredients, lr: 0, latentShape, schedule, steps: 12, seed: 3 }));
    const frames = (await run()).map(({ values }) => values['frame']);
    expect(new Set(frames)).toEqual(new Set([0, 1, 2]));
    expect((await run()).map(({ values }) => values['frame'])).toEqual(frames);
  });
});

test('a reward without gradient is refused', async () => {
  const weights = wanWeights('teacher');
  const judge = { ...redness, info: { ...redness.info, id: 'blind', differentiable: false } };
  const student = { weights, bind: (context: Tensor) => wanStudent({ weights, config }, context) };
  const schedule = denoisingSteps([1000], { shift: 5 });
  const { decoder } = plainDecoder();
  const run = reward({
    student,
    decoder,
    reward: judge,
    prompts,
    encodeText,
    batch: 1,
    lr: 0,
    latentShape,
    schedule,
    steps: 1,
    seed: 1,
  });
  await expect(collect(run)).rejects.toThrow(/the reward blind has no gradient/);
});

function host(data: Float32Array, shape: readonly number[]) {
  return { dtype: 'float32' as const, shape: [...shape], data };
}

/** [B, F, C, H, W] as the specification lists it, in our order. */
function channelsLast(data: Float32Array, shape: [number, number, number, number, number]): Tensor {
  return tf.transpose(tf.tensor5d(data, shape), [0, 1, 3, 4, 2]);
}
