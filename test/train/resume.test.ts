import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { collect, logOf, type StageName, stages, temporaryFolder, valuesOf } from './small.ts';

const cases = (['cpu', 'onnx'] as const).flatMap((engine) =>
  (Object.keys(stages) as StageName[]).map((name) => ({ engine, name })),
);

describe.each(cases)('stage $name on $engine', ({ engine, name }) => {
  const make = stages[name];

  beforeAll(async () => {
    await use(engine);
  });

  test('3 steps and 3 more give the same bits as 6', async () => {
    const [whole, first, second] = [make(), make(), make()];
    const [wholeFolder, folder] = [await temporaryFolder(), await temporaryFolder()];
    const steps = await collect(whole.run({ steps: 6, seed: 'run', folder: wholeFolder }));
    await collect(first.run({ steps: 3, seed: 'run', folder }));
    const rest = await collect(second.run({ steps: 6, seed: 'run', folder }));

    expect(rest.map(({ step }) => step)).toEqual([4, 5, 6]);
    expect(await valuesOf(second.trained)).toEqual(await valuesOf(whole.trained));
    expect(await logOf(folder)).toEqual(await logOf(wholeFolder));
    expect(steps.every(({ loss, gradNorm }) => Number.isFinite(loss) && gradNorm > 0)).toBe(true);
    for (const file of (await manifest(folder)).files) {
      const [a, b] = [folder, wholeFolder].map((path) => readFile(join(path, 'checkpoints/step-6', file.name)));
      expect((await a)?.equals((await b) as Buffer), file.name).toBe(true);
    }
    for (const prepared of [whole, first, second]) prepared.dispose();
  });

  test('the number of tensors stays the same over steps and after the run', async () => {
    const prepared = make();
    const before = tf.memory().numTensors;
    const counts: number[] = [];
    for await (const _ of prepared.run({ steps: 5, seed: 1 })) counts.push(tf.memory().numTensors);
    expect(new Set(counts.slice(2)).size).toBe(1);
    expect(tf.memory().numTensors).toBe(before);
    prepared.dispose();
  });
});

async function manifest(folder: string): Promise<{ files: { name: string }[] }> {
  return JSON.parse(await readFile(join(folder, 'checkpoints/step-6/manifest.json'), 'utf8'));
}
