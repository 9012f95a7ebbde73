/** What every world owes the study, asked of the shipped one and of one written as in a notebook's cell. */
import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { random } from '../../src/nn/index.ts';
import { defineWorld, digits, promptSource, recipe, smokeRecipe, sprites, type World } from '../../src/world/index.ts';
import { recipeFrom, worldOf } from '../../src/world/internal.ts';
import { lights } from './own-world.ts';

const rows: [string, () => World][] = [
  ['digits', () => digits.digitWorld()],
  ['digits of two exemplars', () => digits.digitWorld({ exemplars: 2 })],
  ['sprites', () => sprites.spriteWorld()],
  ['sprites that never rest, for longer', () => sprites.spriteWorld({ rest: 0, frames: 17 })],
  ['lights', () => lights()],
  ['lights with judges', () => lights({ judges: true })],
];

beforeAll(async () => {
  await engine.use('onnx');
});

describe.each(rows)('the world contract, %s', (_, make) => {
  const world = make();
  const { frames, height, width, fps } = world.size;

  test('the same draw gives the same clip; seed, split and index give others', () => {
    const one = world.clip(3, { seed: 1, split: 'train' });
    expect(world.clip(3, { seed: 1, split: 'train' })).toEqual(one);
    for (const [index, draw] of [
      [4, { seed: 1 }],
      [3, { seed: 2 }],
      [3, { seed: 1, split: 'test' }],
    ] as const) {
      expect(world.clip(index, draw).clip.data).not.toEqual(one.clip.data);
    }
    expect(() => world.clip(-1)).toThrow('index: wanted an integer from 0, received -1');
  });

  test('clips have the stated size, values in [0, 1], and a caption that the world knows', () => {
    for (let index = 0; index < 20; index++) {
      const { clip, caption } = world.clip(index);
      expect([clip.frames, clip.height, clip.width, clip.fps]).toEqual([frames, height, width, fps]);
      expect(clip.data).toHaveLength(frames * height * width * 3);
      expect(clip.data.every((value) => value >= 0 && value <= 1)).toBe(true);
      expect(() => world.check(caption)).not.toThrow();
      expect(world.prompts('seen')).toContain(caption);
    }
  });

  test('a clip shows the prompt that is asked for', () => {
    for (const prompt of world.prompts('all', Math.min(8, world.prompts('all').length))) {
      expect(world.clip(0, { split: 'test', prompt }).caption).toBe(prompt);
    }
  });

  test('seen and held-out prompts share none, and are all together', () => {
    const [seen, heldOut, all] = [world.prompts('seen'), world.prompts('held-out'), world.prompts('all')];
    expect(seen.filter((prompt) => heldOut.includes(prompt))).toEqual([]);
    expect([...seen, ...heldOut].sort()).toEqual([...all].sort());
    const some = world.prompts('all', 3);
    expect(new Set(some).size).toBe(3);
    expect(() => world.prompts('seen', seen.length + 1)).toThrow(`count: wanted 1 to ${seen.length}`);
    expect(() => world.check('a cat')).toThrow(/received "a cat".*for example "/);
  });

  test('sources of training are decided by their key', async () => {
    const source = world.autoencoderSource(7);
    const draw = (key: string) => source(random.key(key), 3);
    const [first, again, other] = [await draw('a'), await draw('a'), await draw('b')];
    expect(first).toEqual(again);
    expect(first.data).not.toEqual(other.data);
    expect(first.shape[0]).toBe(3);
    expect([1, frames]).toContain(first.shape[1]); // single pictures or clips
    expect(Math.min(...first.data)).toBeGreaterThanOrEqual(-1);
    expect(Math.max(...first.data)).toBeLessThanOrEqual(1);
    const drawn = await promptSource(world)(random.key(1), 40);
    expect(drawn.filter((prompt) => !world.prompts('seen').includes(prompt))).toEqual([]);
  });

  test('text states tell captions apart and are the same for the same seed', async () => {
    const { text } = recipe(world);
    const encoder = world.text({ seed: 1, ...text });
    const [a, b] = world.prompts('all', 2) as [string, string];
    const states = await encoder.encode([a, b, a]);
    expect(states.shape).toEqual([3, text.textLen, text.textDim]);
    const values = await states.data();
    const row = (i: number) => values.slice((i * values.length) / 3, ((i + 1) * values.length) / 3);
    expect(row(0)).toEqual(row(2));
    expect(row(0)).not.toEqual(row(1));
    states.dispose();
    encoder.dispose?.();
  });

  test('what it measures and claims has names of its own', () => {
    const ids = world.measures.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(world.claims.filter(({ measure }) => !ids.includes(measure))).toEqual([]);
    const judges = world.judges.map(({ id }) => id);
    expect(new Set(judges).size).toBe(judges.length);
    for (const id of ['reward', 'judge']) expect(ids.includes(id)).toBe(judges.includes(id));
  });

  test('a recipe names it, with a training for each judge, and is told apart by its options', () => {
    const made = smokeRecipe(world);
    expect(made.world).toEqual({ id: world.id, options: world.options });
    expect(Object.keys(made.judges)).toEqual(world.judges.map(({ id }) => id));
    expect(made.teacher.config.in_dim).toBe(made.vae.config.z_dim);
    expect(recipeFrom(JSON.parse(JSON.stringify(made)))).toEqual(JSON.parse(JSON.stringify(made)));
  });
});

test('recipes change by parts; schedules are replaced whole', () => {
  const world = lights();
  const base = recipe(world);
  const changed = recipe(world, {
    ode: { steps: 5, lr: 1e-3 },
    vae: { config: { z_dim: 4 } },
    teacher: { config: { dim: 48 } },
  });
  expect(changed.ode).toEqual({ ...base.ode, steps: 5, lr: 1e-3 });
  expect(changed.vae.config.latents_mean).toEqual([0, 0, 0, 0]);
  expect(changed.teacher.config).toEqual({ ...base.teacher.config, dim: 48, in_dim: 4, out_dim: 4 });
  expect(recipe(world, { ode: { lr: { lr: 1, warmup: 2 } } }).ode.lr).toEqual({ lr: 1, warmup: 2 });
});

test('worlds are refused with what is wrong with them', () => {
  const parts = {
    id: 'x',
    options: {},
    origin: '',
    size: { frames: 1, height: 1, width: 1, fps: 1 },
    captions: ['a b'],
    clip: () => ({
      clip: { data: new Float32Array(3), frames: 1, height: 1, width: 1, fps: 1 },
      caption: 'a b',
      truth: null,
    }),
  };
  expect(defineWorld(parts).words).toEqual(['a', 'b']);
  expect(() => defineWorld({ ...parts, words: ['a'] })).toThrow('words: "b" of the caption "a b" is missing');
  expect(() => defineWorld({ ...parts, heldOut: ['c'] })).toThrow('heldOut: "c" is none of the captions');
  expect(() => defineWorld({ ...parts, captions: [] })).toThrow('captions: the world "x" has none');
  expect(() => worldOf({ id: 'mars', options: {} })).toThrow('"mars" does not come with the package');
});
