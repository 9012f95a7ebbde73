import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { readSafetensors } from '../../src/io/index.ts';
import { lora, type Net } from '../../src/nn/index.ts';
import { collect, given, netsOf, type Prepared, type StageName, stages, temporaryFolder, valuesOf } from './small.ts';

/** The net that each stage trains by a LoRA. */
const trained = {
  ode: 'student',
  distil: 'generator',
  'self-forcing': 'student',
  reward: 'student',
  policy: 'student',
  'best-of-n': 'student',
  vae: 'vae',
} as const;

const cases = Object.entries(trained) as [StageName, string][];

/** A stage whose net is a LoRA over another one, with its average. */
function prepared(name: StageName, path: string): { stage: Prepared; base: Net<unknown>; student: Net<unknown> } {
  const options = given[name]() as unknown as Record<string, Net<unknown>>;
  const base = options[path]!;
  const targets = name === 'vae' ? ['conv1'] : undefined;
  const student = lora(base, { rank: 2, ...(targets && { targets }) });
  const average = { net: student.clone({ trainable: false }), decay: 0.9 };
  const old = (options as { average?: { net: Net<unknown> } }).average?.net;
  for (const net of netsOf(options).values()) if (net !== base) net.dispose();
  const change = old ? { [path]: student, average } : { [path]: student };
  if (!old) average.net.dispose();
  const stage = stages[name](change);
  return { stage, base, student };
}

describe.each(cases)('a LoRA in stage %s', (name, path) => {
  beforeAll(async () => {
    await use('onnx');
  });

  test('trains alone, its checkpoints hold nothing else, and it goes on with the same bits', async () => {
    const [whole, first, second] = [prepared(name, path), prepared(name, path), prepared(name, path)];
    const before = await valuesOf([whole.base.weights]);
    const start = await valuesOf([whole.student.weights]);
    await collect(whole.stage.run({ steps: 4, seed: 'run' }));
    expect(await valuesOf([whole.base.weights])).toEqual(before);
    expect(await valuesOf([whole.student.weights])).not.toEqual(start);

    const folder = await temporaryFolder();
    await collect(first.stage.run({ steps: 2, seed: 'run', folder }));
    await collect(second.stage.run({ steps: 4, seed: 'run', folder }));
    expect(await valuesOf(second.stage.trained)).toEqual(await valuesOf(whole.stage.trained));

    const checkpoint = join(folder, 'checkpoints/step-4');
    for (const file of (await readdir(checkpoint)).filter((entry) => entry.startsWith(path))) {
      const names = [...(await readSafetensors(join(checkpoint, file))).keys()].filter((key) => key !== 'step');
      expect(
        names.every((key) => /lora_[AB]/.test(key)),
        `${file}: ${names.slice(0, 3)}`,
      ).toBe(true);
    }
    for (const { stage, base } of [whole, first, second]) {
      stage.dispose();
      base.dispose();
    }
  });

  test('the number of tensors stays the same', async () => {
    const { stage, base } = prepared(name, path);
    const before = tf.memory().numTensors;
    const counts: number[] = [];
    for await (const _ of stage.run({ steps: 4, seed: 1 })) counts.push(tf.memory().numTensors);
    expect(new Set(counts.slice(2)).size).toBe(1);
    expect(tf.memory().numTensors).toBe(before);
    stage.dispose();
    base.dispose();
  });
});

test('a run goes on only over the network that it began over', async () => {
  await use('cpu');
  const folder = await temporaryFolder();
  const first = prepared('ode', 'student');
  await collect(first.stage.run({ steps: 1, seed: 1, folder }));
  const other = prepared('ode', 'student');
  tf.tidy(() => {
    const bias = other.base.weights.variable('head.head.bias');
    bias.assign(tf.add(bias, 1));
  });
  await expect(collect(other.stage.run({ steps: 2, seed: 1, folder }))).rejects.toThrow(/student.frozen/);
  for (const { stage, base } of [first, other]) {
    stage.dispose();
    base.dispose();
  }
});

test('what lies beneath a LoRA is not trained beside it', async () => {
  await use('cpu');
  const options = given['self-forcing']();
  const teacher = lora(options.student, { rank: 1 });
  const stage = stages['self-forcing']({ student: options.student, teacher });
  await expect(collect(stage.run({ steps: 1, seed: 1 }))).rejects.toThrow(
    /teacher: it is a LoRA over the weights of student/,
  );
  stage.dispose();
  options.student.dispose();
});
