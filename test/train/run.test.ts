import { mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import type { Key } from '../../src/nn/index.ts';
import { type RewardStep, runStage, type Stage, vae } from '../../src/train/index.ts';
import { trainingCurves } from '../../src/train/internal.ts';
import { collect, logOf, stages, temporaryFolder, vaeNet, valuesOf } from './small.ts';

const teacher = stages.teacher;

beforeAll(async () => {
  await use('cpu');
});

describe('a run', () => {
  test('stops between two steps when it is aborted, and goes on from there', async () => {
    const [whole, stopped, resumed] = [teacher(), teacher(), teacher()];
    await collect(whole.run({ steps: 5, seed: 1 }));
    const folder = await temporaryFolder();
    const abort = new AbortController();
    const steps: number[] = [];
    for await (const { step } of stopped.run({ steps: 5, seed: 1, folder, signal: abort.signal })) {
      steps.push(step);
      if (step === 2) abort.abort();
    }
    expect(steps).toEqual([1, 2]);
    expect(await readdir(join(folder, 'checkpoints'))).toContain('step-2');
    await collect(resumed.run({ steps: 5, seed: 1, folder }));
    expect(await valuesOf(resumed.trained)).toEqual(await valuesOf(whole.trained));
  });

  test('that the caller breaks off has a checkpoint of its last step', async () => {
    const folder = await temporaryFolder();
    for await (const { step } of teacher().run({ steps: 5, seed: 1, folder })) if (step === 3) break;
    expect(await readdir(join(folder, 'checkpoints'))).toContain('step-3');
  });

  test('measures what its probe says at the first and every few steps, with the same bits', async () => {
    const folder = await temporaryFolder();
    const [watched, plain] = [teacher(), teacher()];
    const probe = { every: 2, measure: async (step: number) => ({ squared: step ** 2 }) };
    const steps = await collect(watched.run({ steps: 4, seed: 1, folder, probe }));
    expect(steps.map(({ probed }) => probed)).toEqual([{ squared: 1 }, { squared: 4 }, undefined, { squared: 16 }]);
    expect((await logOf(folder)).map(({ probed }) => probed)).toEqual(steps.map(({ probed }) => probed));
    const curves = await trainingCurves(dirname(folder), [basename(folder)]);
    expect(curves[basename(folder)]?.probed).toEqual({ step: [1, 2, 4], values: { squared: [1, 4, 16] } });
    await collect(plain.run({ steps: 4, seed: 1 }));
    expect(await valuesOf(watched.trained)).toEqual(await valuesOf(plain.trained));
  });

  test('refuses what a probe cannot have measured', async () => {
    const probe = { every: 1, measure: async () => ({ reward: Number.NaN }) };
    await expect(collect(teacher().run({ steps: 2, seed: 1, probe }))).rejects.toThrow(/probe\.measure: reward.*NaN/);
  });

  test('saves at intervals and keeps the newest', async () => {
    const folder = await temporaryFolder();
    await collect(teacher().run({ steps: 7, seed: 1, folder, saveEvery: 2, keepLast: 3 }));
    expect((await readdir(join(folder, 'checkpoints'))).sort()).toEqual(['latest', 'step-4', 'step-6', 'step-7']);
  });

  test('that is done trains no further', async () => {
    const folder = await temporaryFolder();
    await collect(teacher().run({ steps: 2, seed: 1, folder }));
    const again = teacher();
    expect(await collect(again.run({ steps: 2, seed: 1, folder }))).toEqual([]);
  });

  test('logs reproducible numbers and the time apart from them', async () => {
    const folder = await temporaryFolder();
    const steps = await collect(stages.reward().run({ steps: 2, seed: 1, folder }));
    const { stepMs, step, loss, gradNorm, clippedShare, ...values } = steps[0] as RewardStep;
    expect((await logOf(folder))[0]).toEqual({ step, loss, gradNorm, clippedShare, values });
    expect((await logOf(folder, 'timings'))[0]).toEqual({ step: 1, stepMs });
    expect(values.reward).toBeCloseTo(-loss, 6);
  });

  test('other seeds give other weights, the same seed the same', async () => {
    const runs = [1, 2, 1].map((seed) => ({ seed, ...teacher() }));
    for (const { run, seed } of runs) await collect(run({ steps: 2, seed }));
    const [a, b, c] = await Promise.all(runs.map(({ trained }) => valuesOf(trained)));
    expect(a).toEqual(c);
    expect(a).not.toEqual(b);
  });

  test('refuses a folder of other settings and says which', async () => {
    const folder = await temporaryFolder();
    await collect(teacher().run({ steps: 1, seed: 1, folder }));
    await expect(collect(teacher().run({ steps: 2, seed: 2, folder }))).rejects.toThrow(
      /other settings \(seed: 1 there, 2 here\): use them, or another folder/,
    );
    await expect(collect(stages.ode().run({ steps: 2, seed: 1, folder }))).rejects.toThrow(/stage: "teacher" there/);
  });

  test('refuses to go on with the whole where the decoder alone was trained', async () => {
    const folder = await temporaryFolder();
    const net = vaeNet();
    const data = (key: Key, count: number) => key.uniform([count, 3, 4, 4, 3], -1, 1);
    const fixed = { vae: net, data, batch: 1, lr: 1e-3, steps: 1, seed: 1, folder };
    await collect(vae({ ...fixed, parts: 'decoder' }));
    await expect(collect(vae(fixed))).rejects.toThrow(/other settings \(parts: "decoder" there/);
  });

  test('says so when its folder cannot be written to', async () => {
    const folder = join(await temporaryFolder(), 'file');
    await writeFile(folder, 'in the way');
    const before = tf.memory().numTensors;
    const prepared = teacher();
    await expect(collect(prepared.run({ steps: 1, seed: 1, folder: join(folder, 'run') }))).rejects.toThrow(
      /cannot write to the run folder .*: a part of the path is a file; give another folder/,
    );
    prepared.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('goes back to the checkpoint before a damaged one and ends with the same bits', async () => {
    const [whole, first, second] = [teacher(), teacher(), teacher()];
    await collect(whole.run({ steps: 6, seed: 1 }));
    const folder = await temporaryFolder();
    await collect(first.run({ steps: 4, seed: 1, folder, saveEvery: 2 }));
    await truncate(join(folder, 'checkpoints/step-4/teacher.safetensors'), 100);
    const warnings: string[] = [];
    const onWarning = (message: string): number => warnings.push(message);
    const steps = await collect(second.run({ steps: 6, seed: 1, folder, saveEvery: 2, keepLast: 1, onWarning }));
    expect(steps.map(({ step }) => step)).toEqual([3, 4, 5, 6]);
    expect(warnings).toHaveLength(1);
    expect(await valuesOf(second.trained)).toEqual(await valuesOf(whole.trained));
    expect((await logOf(folder)).map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await readdir(join(folder, 'checkpoints'))).sort()).toEqual(['damaged-step-4', 'latest', 'step-6']);
  });

  test('drops log lines that a killed run wrote after its last checkpoint', async () => {
    const folder = await temporaryFolder();
    await collect(teacher().run({ steps: 2, seed: 1, folder }));
    await writeFile(join(folder, 'metrics.jsonl'), '{"step":3,"loss":1}\n{"step":4,"lo', { flag: 'a' });
    await collect(teacher().run({ steps: 3, seed: 1, folder }));
    const lines = await logOf(folder);
    expect(lines.map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(lines[2]?.['loss']).not.toBe(1);
  });

  test('says which steps its log has lost', async () => {
    const folder = await temporaryFolder();
    await collect(teacher().run({ steps: 4, seed: 1, folder }));
    const log = join(folder, 'metrics.jsonl');
    const [first, ...later] = (await readFile(log, 'utf8')).split('\n');
    await writeFile(log, [first, later[0]?.slice(5), ...later.slice(2)].join('\n')); // one line damaged, one gone
    const warnings: string[] = [];
    const onWarning = (message: string): number => warnings.push(message);
    await collect(teacher().run({ steps: 5, seed: 1, folder, onWarning }));
    expect(warnings).toEqual([`${log}: 2 of 4 steps are missing, from step 2 to 3`]);
  });

  test('that fails in a step saves nothing of it and releases what it held', async () => {
    const folder = await temporaryFolder();
    await mkdir(folder, { recursive: true });
    let released = false;
    const failing = (): Stage => ({
      name: 'failing',
      settings: {},
      learners: [],
      step: async (step) => {
        if (step === 3) throw new Error('broken');
        return { updates: [{ loss: 1, gradNorm: 1, clipped: 0, values: {} }], values: {} };
      },
      dispose: () => {
        released = true;
      },
    });
    await expect(collect(runStage(failing, { steps: 5, seed: 1, folder, saveEvery: 2 }))).rejects.toThrow('broken');
    expect(await readdir(join(folder, 'checkpoints'))).toEqual(['latest', 'step-2']);
    expect(released).toBe(true);
  });
});
