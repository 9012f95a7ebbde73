/** The chain on a world that does not come with the package, and what a folder of its weights opens to. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import {
  contestant,
  evaluateContestant,
  measureTable,
  open,
  runChain,
  shipWeights,
  weightsFolder,
} from '../../src/study/index.ts';
import { smokeRecipe } from '../../src/world/index.ts';
import { testFolder } from '../folder.ts';
import { lights } from '../world/own-world.ts';

const folder = await testFolder('own-world');
const [run, shipped] = [join(folder, 'run'), join(folder, 'shipped')];
const world = lights({ judges: true });
const recipe = smokeRecipe(world);

beforeAll(async () => {
  await use('onnx', { threads: 1, spin: false });
  for await (const _ of runChain({ recipe, world, folder: run }));
  const about = { command: 'test', commit: 'test', engine: 'onnx', licence: 'none', recipe, world };
  await shipWeights(weightsFolder({ folder: run }), shipped, about);
}, 120_000);

test('its weights open to networks by plain names, which generate and are measured', async () => {
  const before = tf.memory().numTensors;
  const nets = await open(shipped, { world });
  expect(nets.world).toBe(world);
  expect(Object.keys(nets.checksums)).toEqual(Object.keys(nets.manifest.files));
  const prompts = world.prompts('all', 2);
  const outcome = await evaluateContestant(nets, contestant(nets, 'phase 2'), { prompts, seeds: 1 });
  expect(Object.keys(outcome.summary)).toEqual(['dynamicDegree', 'flicker', 'reward', 'judge', 'rewardAllFrames']);
  expect(outcome.clips[0]![0]).toMatchObject({ frames: 9, height: 16, width: 16 });
  expect(() => measureTable(world, { 'phase 2': outcome.summary }, ['phase 3'])).toThrow('received "phase 3"');
  nets.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

test('without the world itself, or with another one, they are refused', async () => {
  await expect(open(shipped)).rejects.toThrow('"lights" does not come with the package');
  const other = { ...world, options: { frames: 5 } };
  await expect(runChain({ recipe, world: other, folder: run }).next()).rejects.toThrow("world: wanted the recipe's");
});

test('a world without a reward runs to phase 1, and its folder opens', async () => {
  const bare = lights();
  const [run, shipped] = [join(folder, 'bare'), join(folder, 'bare-shipped')];
  const stages = new Set<string>();
  const recipe = smokeRecipe(bare);
  for await (const { stage } of runChain({ recipe, world: bare, folder: run })) stages.add(stage);
  expect([...stages].slice(-2)).toEqual(['trajectories', 'ode']);
  const about = { command: 'test', commit: 'test', engine: 'onnx', licence: 'none', recipe, world: bare };
  await shipWeights(weightsFolder({ folder: run }), shipped, about);
  const nets = await open(shipped, { world: bare });
  expect(Object.keys(nets.checksums)).toEqual(['vae', 'teacher', 'distilled', 'ode']);
  expect(() => nets.rewardForcing).toThrow('the world "lights" has no reward');
  expect(() => nets.phase2()).toThrow('has no reward "reward"');
  const compare = { prompts: bare.prompts('all', 1), seeds: 1 };
  await expect(evaluateContestant(nets, contestant(nets, 'phase 1'), { ...compare, seeds: 0 })).rejects.toThrow(
    'seeds:',
  );
  nets.dispose();
}, 60_000);

test('no file of the study knows what a world shows', () => {
  const source = join(import.meta.dirname, '..', '..', 'src', 'study');
  for (const name of readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  )) {
    const text = readFileSync(join(source, name), 'utf8');
    expect(text, name).not.toMatch(/digit|mnist|handwrit|exemplar|\b(red|green|blue|yellow|white|purple)\b/i);
  }
});
