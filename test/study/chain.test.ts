import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { runChain, weightsFolder } from '../../src/study/index.ts';
import { networkNames } from '../../src/study/internal.ts';
import { worldOf } from '../../src/world/internal.ts';
import { testFolder } from '../folder.ts';
import { smokeRecipe, train } from './chain.ts';

const folder = await testFolder('chain');
const [whole, broken] = [join(folder, 'whole'), join(folder, 'broken')];
let stages: string[];

beforeAll(async () => {
  await use('onnx', { threads: 1, spin: false });
  stages = await train(whole);
}, 120_000);

test('trains every network, in the order of the method', async () => {
  const vae = smokeRecipe.vae.phases.map((_, i) => `vae-${i + 1}`);
  const rest = ['teacher', 'distil', 'trajectories', 'ode', 'reward', 'judge', 'classifier', 'reward-forcing'];
  expect(stages).toEqual([...vae, 'latents', ...rest]);
});

test('every stage that trains records the world', async () => {
  const { id, options } = worldOf(smokeRecipe.world);
  for (const stage of stages.filter((name) => !['latents', 'trajectories'].includes(name))) {
    const config = JSON.parse(await readFile(join(whole, stage, 'config.json'), 'utf8'));
    expect(config.world, stage).toEqual({ id, options });
  }
});

test('a finished run does nothing again', async () => {
  const before = tf.memory().numTensors;
  expect(await train(whole)).toEqual([]);
  expect(tf.memory().numTensors).toBe(before);
});

test('stopped in three stages and continued, it ends with the same bytes', async () => {
  for (const stage of ['teacher', 'ode', 'reward-forcing']) {
    await expect(train(broken, stage)).rejects.toThrow('stopped by the test');
  }
  await train(broken);
  for (const name of networkNames(worldOf(smokeRecipe.world))) {
    const [a, b] = await Promise.all(
      [whole, broken].map((path) => readFile(join(weightsFolder({ folder: path }), `${name}.safetensors`))),
    );
    expect(a!.equals(b!), name).toBe(true);
  }
}, 120_000);

test('a folder of another recipe is refused with what differs', async () => {
  const other = { ...smokeRecipe, seed: 8, latents: 9 };
  const started = runChain({ recipe: other, folder: whole }).next();
  await expect(started).rejects.toThrow(/another recipe \(seed, latents differ\).*give another folder/);
});
