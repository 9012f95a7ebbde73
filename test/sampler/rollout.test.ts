import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { random } from '../../src/nn/random.ts';
import { denoisingSteps, rollout, rolloutLatents, seededNoise } from '../../src/sampler/index.ts';
import { blockRanges, drawExitSteps, lastBlock, selfRollout } from '../../src/sampler/internal.ts';
import { counting, labelledNoise, toyStudent } from './toy-student.ts';

beforeAll(async () => {
  await engine.use('cpu');
});

const schedule = denoisingSteps([1000, 750, 500, 250], { shift: 5 });
const options = { schedule, renoise: labelledNoise };

/** The rollout of the toy written out by hand. */
function byHand(noise: number[][], gain: number, contextSigma: number = 0, exits: number[] = []): number[][] {
  let [mean, frames] = [0, 0];
  return noise.map((start, block) => {
    let x = start;
    let x0: number[] = [];
    const last = exits[block] ?? 3;
    for (let j = 0; j <= last; j++) {
      const [sigma, next] = [schedule.sigmas[j]!, schedule.sigmas[j + 1]!];
      x0 = x.map((value) => value - sigma * (gain * value - mean));
      x = x0.map((value) => (1 - next) * value + next * (block + j / 10));
    }
    const seen = x0.map((value) => (1 - contextSigma) * value + contextSigma * (block + 0.4));
    mean = (mean * frames + seen.reduce((sum, value) => sum + value, 0)) / (frames + seen.length);
    frames += seen.length;
    return x0;
  });
}

describe('blocks', () => {
  test('cover all frames in order', () => {
    expect(blockRanges(6, { framesPerBlock: 3 })).toEqual([
      { index: 0, start: 0, frames: 3 },
      { index: 1, start: 3, frames: 3 },
    ]);
    const ranges = blockRanges(7, { framesPerBlock: 3, independentFirstFrame: true });
    expect(ranges.map(({ start, frames }) => [start, frames])).toEqual([
      [0, 1],
      [1, 3],
      [4, 3],
    ]);
  });

  test('frames that do not fit are refused with the way out', () => {
    expect(() => blockRanges(7, { framesPerBlock: 3 })).toThrow('give a multiple of 3 frames');
    expect(() => blockRanges(6, { framesPerBlock: 3, independentFirstFrame: true })).toThrow('1 + a multiple of 3');
  });
});

describe('rollout', () => {
  test('equals the loop written out, block by block', async () => {
    const student = toyStudent(tf.scalar(0.4));
    const found: number[][] = [];
    for await (const { x0, index, start } of rollout(student, counting(6), options)) {
      expect(start).toBe(2 * index);
      found.push([...x0.dataSync()]);
      x0.dispose();
    }
    const expected = byHand(
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      0.4,
    );
    expect(found.flat()).toBeAllClose(expected.flat(), { atol: 1e-5 });
  });

  test('calls: four denoising steps a block, one context pass between blocks', async () => {
    const student = toyStudent(tf.scalar(0.4));
    (await rolloutLatents(student, counting(4), options)).dispose();
    expect(student.calls.map(({ kind, t, cached }) => [kind, Math.round(t), cached])).toEqual([
      ['velocity', 1000, 0],
      ['velocity', 938, 0],
      ['velocity', 833, 0],
      ['velocity', 625, 0],
      ['remember', 0, 0],
      ['velocity', 1000, 2],
      ['velocity', 938, 2],
      ['velocity', 833, 2],
      ['velocity', 625, 2],
    ]);
  });

  test('re-noised context, as in training', async () => {
    const context = { t: 20, sigma: 0.3 };
    const latents = await rolloutLatents(toyStudent(tf.scalar(0.4)), counting(4), { ...options, context });
    expect(latents.dataSync()).toBeAllClose(
      byHand(
        [
          [1, 2],
          [3, 4],
        ],
        0.4,
        0.3,
      ).flat(),
      { atol: 1e-5 },
    );
  });

  test('a prefix enters the cache clean and is not generated again', async () => {
    const student = toyStudent(tf.scalar(0.4));
    const noise = counting(4);
    const whole = await rolloutLatents(student, noise, options);
    const prefix = whole.slice([0, 0, 0, 0, 0], [1, 2, 1, 1, 1]);
    const rest = await rolloutLatents(student, noise.slice([0, 2, 0, 0, 0], [1, 2, 1, 1, 1]), { ...options, prefix });
    expect(rest.dataSync()).toEqual(whole.slice([0, 2, 0, 0, 0], [1, 2, 1, 1, 1]).dataSync());
    await expect(rolloutLatents(student, counting(3), { ...options, prefix: counting(1) })).rejects.toThrow(
      'blocks begin at frames 2',
    );
  });

  test('one seed, one clip, in whichever order noise is asked for', async () => {
    const run = async (seed: number): Promise<ArrayLike<number>> => {
      const renoise = seededNoise(random.key(seed));
      return (await rolloutLatents(toyStudent(tf.scalar(0.4)), counting(4), { ...options, renoise })).dataSync();
    };
    expect(await run(1)).toEqual(await run(1));
    expect(await run(1)).not.toEqual(await run(2));
  });

  test('stops at an abort, and neither that nor breaking off keeps tensors', async () => {
    const student = toyStudent(tf.scalar(0.4));
    const noise = counting(6);
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    const seen: number[] = [];
    const run = async (): Promise<void> => {
      for await (const { x0, index } of rollout(student, noise, { ...options, signal: controller.signal })) {
        seen.push(index);
        x0.dispose();
        controller.abort(new Error('stopped by hand'));
      }
    };
    await expect(run()).rejects.toThrow('stopped by hand');
    expect(seen).toEqual([0]);
    for await (const { x0 } of rollout(student, noise, options)) {
      x0.dispose();
      break;
    }
    (await rolloutLatents(student, noise, options)).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('reports each denoising step with its block', async () => {
    const seen: string[] = [];
    const onStep = ({ block, index }: { block: number; index: number }): void => void seen.push(`${block}.${index}`);
    (await rolloutLatents(toyStudent(tf.scalar(0)), counting(4), { ...options, onStep })).dispose();
    expect(seen).toEqual(['0.0', '0.1', '0.2', '0.3', '1.0', '1.1', '1.2', '1.3']);
  });
});

describe('self-rollout', () => {
  test.each([0, 1, 2, 3])('stops every block at exit step %i', async (exitStep) => {
    const student = toyStudent(tf.scalar(0.4));
    const state = await selfRollout(student, counting(6), { ...options, exitStep });
    const found = tf.concat([...state.blocks, lastBlock(student, state)], 1);
    const expected = byHand(
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      0.4,
      0,
      [exitStep, exitStep, exitStep],
    );
    expect(found.dataSync()).toBeAllClose(expected.flat(), { atol: 1e-5 });
    expect(state.t).toBe(schedule.timesteps[exitStep]);
    state.release();
  });

  test('one exit step per block', async () => {
    const student = toyStudent(tf.scalar(0.4));
    const state = await selfRollout(student, counting(6), { ...options, exitStep: [3, 0, 2] });
    const found = tf.concat([...state.blocks, lastBlock(student, state)], 1);
    expect(found.dataSync()).toBeAllClose(
      byHand(
        [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
        0.4,
        0,
        [3, 0, 2],
      ).flat(),
      { atol: 1e-5 },
    );
    state.release();
  });

  test('the gradient is that of the last block’s one pass: earlier blocks are constants', async () => {
    const gain = tf.variable(tf.scalar(0.4));
    const student = toyStudent(gain);
    const state = await selfRollout(student, counting(4), { ...options, exitStep: 1 });
    const { grads } = tf.variableGrads(() => lastBlock(student, state).sum().asScalar(), [gain]);
    // d/dgain of x - sigma (gain x - mean) = -sigma x
    const expected = -state.sigma * (state.x.sum().dataSync()[0] ?? 0);
    expect(grads[gain.name]!.dataSync()[0]).toBeCloseTo(expected, 4);
    state.release();
    gain.dispose();
  });

  test('keeps no tensor once released, and none after an abort', async () => {
    const student = toyStudent(tf.scalar(0.4));
    const noise = counting(6);
    const before = tf.memory().numTensors;
    (await selfRollout(student, noise, { ...options, exitStep: 2 })).release();
    expect(tf.memory().numTensors).toBe(before);
    const signal = AbortSignal.abort(new Error('stopped by hand'));
    await expect(selfRollout(student, noise, { ...options, exitStep: 2, signal })).rejects.toThrow('stopped by hand');
    expect(tf.memory().numTensors).toBe(before);
  });

  test('exit steps are drawn as asked', () => {
    const draws = Array.from({ length: 400 }, (_, i) => drawExitSteps(random.key(i), { steps: 4, blocks: 3 }));
    for (const draw of draws) expect(new Set(draw).size).toBe(1);
    const counts = [0, 1, 2, 3].map((step) => draws.filter((draw) => draw[0] === step).length);
    for (const count of counts) expect(Math.abs(count - 100)).toBeLessThan(40);
    expect(drawExitSteps(random.key(0), { steps: 4, blocks: 3, mode: 'last' })).toEqual([3, 3, 3]);
    const free = Array.from({ length: 50 }, (_, i) =>
      drawExitSteps(random.key(i), { steps: 4, blocks: 3, mode: 'per-block' }),
    );
    expect(free.some((draw) => new Set(draw).size > 1)).toBe(true);
  });

  test('an exit step outside the list is refused', async () => {
    const run = (exitStep: number | number[]): Promise<unknown> =>
      selfRollout(toyStudent(tf.scalar(1)), counting(4), { ...options, exitStep });
    await expect(run(4)).rejects.toThrow('one index in 0..3');
    await expect(run([1])).rejects.toThrow('2 of them');
  });
});

test('noise tensors are plain tensors', () => {
  const noise: Tensor = seededNoise(random.key(1))(0, 1, [2, 3]);
  expect(noise.shape).toEqual([2, 3]);
});
