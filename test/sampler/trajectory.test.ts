import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { toFloat32 } from '../../src/io/index.ts';
import { random } from '../../src/nn/index.ts';
import {
  denoisingSteps,
  flowSchedule,
  memoryTrajectories,
  openTrajectories,
  sampleTrajectories,
  statesFor,
  type TrajectoryJob,
  type TrajectorySampling,
  type TrajectoryStore,
  type Velocity,
} from '../../src/sampler/index.ts';
import { odeTrajectory } from '../../src/sampler/trajectories/sampling.ts';
import { tinyModel } from './tiny-model.ts';

let folder: string;
beforeAll(async () => {
  await engine.use('cpu');
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trajectories-'));
});
afterEach(() => rm(folder, { recursive: true }));

const grid = flowSchedule({ steps: 48, shift: 5 });
const list = denoisingSteps([1000, 750, 500, 250], { shift: 5 });
const straight: Velocity = (x, _t, sigma) => tf.tidy(() => x.sub(2).div(sigma));

describe('odeTrajectory', () => {
  test('keeps the states at the student’s noise levels and the clean end', () => {
    const keep = statesFor(list, grid);
    expect(keep).toEqual([0, 12, 24, 36, 48]);
    const before = tf.memory().numTensors;
    const x = tf.tensor([1, -3], [1, 2]);
    const { states, sigmas } = odeTrajectory(straight, x, grid, keep);
    expect(sigmas).toBeAllClose([1, 0.9375, 0.8333333, 0.625, 0], { atol: 1e-7 });
    // On a straight path x_sigma = (1 - sigma) 2 + sigma x.
    const expected = [...sigmas].flatMap((sigma) => [1, -3].map((value) => (1 - sigma) * 2 + sigma * value));
    expect(states.shape).toEqual([5, 1, 2]);
    expect(states.dataSync()).toBeAllClose(expected, { atol: 1e-4 });
    tf.dispose([x, states]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test('a student with another shift is told so', () => {
    expect(() => statesFor(list, flowSchedule({ steps: 48, shift: 8 }))).toThrow('use the student');
    expect(() => statesFor(list, flowSchedule({ steps: 50, shift: 5 }))).toThrow('is not on the grid');
  });

  test('indices that fall or leave the grid are refused', () => {
    const run = (keep: number[]) => () => odeTrajectory(straight, tf.ones([1]), grid, keep);
    expect(run([0, 49])).toThrow('0..48, received [0, 49]');
    expect(run([3, 3])).toThrow('rising');
    expect(run([])).toThrow('received []');
  });
});

describe('store', () => {
  const record = { id: 'a', prompt: 'Ein rotes “r”', seed: 1, teacher: 't', shift: 5, guidanceScale: 3, steps: 48 };
  const states = { dtype: 'float32' as const, shape: [2, 1, 1, 1, 2], data: Float32Array.of(1.5, -0.1, 70000, 0) };

  test('returns what was added, states in half precision, levels in double', async () => {
    const store = await openTrajectories(folder);
    await store.add(record, states, Float64Array.of(1, 0.1));
    const again = await openTrajectories(folder);
    expect(again.records()).toEqual([record]);
    const { states: read, sigmas } = await again.read('a');
    expect(sigmas).toEqual(Float64Array.of(1, 0.1));
    expect(read.dtype).toBe('float16');
    expect([...toFloat32(read)]).toEqual([1.5, -0.0999755859375, Number.POSITIVE_INFINITY, 0]);
  });

  test('a half-written line is dropped and its place used again', async () => {
    const store = await openTrajectories(folder);
    await store.add(record, states, Float64Array.of(1, 0));
    await appendFile(join(folder, 'index.jsonl'), '{"id":"b","pro');
    const again = await openTrajectories(folder);
    expect(again.records().map(({ id }) => id)).toEqual(['a']);
    await again.add({ ...record, id: 'c' }, states, Float64Array.of(1, 0));
    const lines = (await readFile(join(folder, 'index.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).id)).toEqual(['a', 'c']);
  });

  test('a store in memory keeps what it is given, to the bit', async () => {
    const store = memoryTrajectories();
    await store.add(record, states, Float64Array.of(1, 0.1));
    expect([store.has('a'), store.has('b'), store.records()]).toEqual([true, false, [record]]);
    expect(await store.read('a')).toMatchObject({ states, sigmas: Float64Array.of(1, 0.1) });
    await expect(store.read('z')).rejects.toThrow('no trajectory "z"');
    await expect(store.add(record, states, Float64Array.of(1, 0))).rejects.toThrow('already');
  });

  test('faults name what was received', async () => {
    const store = await openTrajectories(folder);
    await expect(store.add({ ...record, id: '../x' }, states, Float64Array.of(1, 0))).rejects.toThrow(
      'received "../x"',
    );
    await expect(store.add(record, states, Float64Array.of(1))).rejects.toThrow('2 states, but 1 sigmas');
    await store.add(record, states, Float64Array.of(1, 0));
    await expect(store.add(record, states, Float64Array.of(1, 0))).rejects.toThrow('already');
    await expect(store.read('z')).rejects.toThrow('no trajectory "z"');
  });
});

describe('sampleTrajectories', () => {
  const jobs: TrajectoryJob[] = [0, 1, 2].map((i) => ({ id: `t${i}`, prompt: `p${i}`, seed: i }));
  const settings = (store: TrajectoryStore): TrajectorySampling => ({
    store,
    teacher: tiny.net,
    text: tiny.text,
    teacherId: 'toy',
    guidanceScale: 3,
    key: random.key(1),
    shape: [2, 2, 2, 4],
    steps: 8,
    shift: 5,
    keep: statesFor(list, flowSchedule({ steps: 8, shift: 5 })),
  });
  let tiny: ReturnType<typeof tinyModel>;
  beforeAll(() => {
    tiny = tinyModel();
  });

  test('an interrupted run goes on and ends with the same bytes', async () => {
    const whole = await openTrajectories(join(folder, 'whole'));
    for await (const _ of sampleTrajectories(jobs, settings(whole)));
    const parted = await openTrajectories(join(folder, 'parted'));
    for await (const _ of sampleTrajectories(jobs, settings(parted))) break;
    const seen: number[] = [];
    const reopened = await openTrajectories(join(folder, 'parted'));
    for await (const { done, total } of sampleTrajectories(jobs, settings(reopened))) seen.push(done, total);
    expect(seen).toEqual([2, 3, 3, 3]);
    for (const file of ['index.jsonl', 't0.safetensors', 't1.safetensors', 't2.safetensors']) {
      expect(await readFile(join(folder, 'parted', file))).toEqual(await readFile(join(folder, 'whole', file)));
    }
    expect((await whole.read('t0')).states.shape).toEqual([5, 2, 2, 2, 4]);
  });

  test('batches change neither the noise nor the files', async () => {
    const single = await openTrajectories(join(folder, 'single'));
    for await (const _ of sampleTrajectories(jobs, settings(single)));
    const pairs = await openTrajectories(join(folder, 'pairs'));
    const prompts: string[][] = [];
    const text = {
      encode: (batch: readonly string[]) => {
        prompts.push([...batch]);
        return tiny.text.encode(batch);
      },
    };
    for await (const _ of sampleTrajectories(jobs, { ...settings(pairs), text, batch: 2 }));
    expect(prompts).toEqual([['p0', 'p1'], ['p2']]);
    for (const { id } of jobs) expect((await pairs.read(id)).states).toEqual((await single.read(id)).states);
  });

  test('a batch of none is refused', async () => {
    const run = sampleTrajectories(jobs, { ...settings(memoryTrajectories()), batch: 0 });
    await expect(run.next()).rejects.toThrow('batch: wanted a whole number >= 1, received 0');
  });

  test('keeps no tensor and stops at an abort', async () => {
    const store = await openTrajectories(folder);
    const before = tf.memory().numTensors;
    const signal = AbortSignal.abort(new Error('stopped by hand'));
    const run = async (): Promise<void> => {
      for await (const _ of sampleTrajectories(jobs, { ...settings(store), signal }));
    };
    await expect(run()).rejects.toThrow('stopped by hand');
    for await (const _ of sampleTrajectories(jobs, settings(store)));
    expect(tf.memory().numTensors).toBe(before);
  });
});
