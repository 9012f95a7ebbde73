import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { readImage } from '../../src/io/index.ts';
import { packageRoot, readPng } from '../../src/io/internal.ts';
import { sprites } from '../../src/world/index.ts';

const { caption, drawClip, parseCaption, scenes, spriteWorld, THINGS, PLACES, SIZE, SPRITE } = sprites;
const world = spriteWorld();
const settings = { rest: 0.5, frames: 9, shutter: 1 };
const FRAME = SIZE * SIZE * 3;

/** Truths of many clips, without painting them. */
const truths = Array.from({ length: 4000 }, (_, index) => drawClip(index, { seed: 21 }, settings).truth);

const steps = ({ path }: sprites.SpriteTruth): number[] =>
  path.slice(1).map(([x, y], i) => Math.hypot(x - path[i]![0], y - path[i]![1]));
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const share = (is: (truth: sprites.SpriteTruth) => boolean, of = truths): number => mean(of.map((t) => Number(is(t))));

describe('captions', () => {
  test('name a thing and a place, sometimes a kind of motion, and nothing else', () => {
    expect(scenes()).toHaveLength(192);
    for (const scene of scenes()) expect(parseCaption(caption(scene))).toEqual(scene);
    expect(caption({ thing: 'tiger', place: 'beach', named: null })).toBe('a tiger on the beach');
    expect(caption({ thing: 'football', place: 'night', named: 'hop' })).toBe('a football hops in the night');
    expect(() => parseCaption('a tiger runs on the beach')).toThrow('wanted the form "a tiger on the beach"');
  });

  test('six of 48 pairs are held out, each place and six things among them', () => {
    const held = scenes('held-out').filter(({ named }) => named === null);
    expect(held).toHaveLength(6);
    expect(new Set(held.map(({ place }) => place))).toEqual(new Set(PLACES));
    expect(new Set(held.map(({ thing }) => thing)).size).toBe(6);
    expect(world.prompts('held-out')).toHaveLength(24);
  });

  test('never tell how much a thing moves: under each of them slow and fast, resting and not', () => {
    for (const prompt of ['a tiger on the beach', 'a bee hops in the night']) {
      const drawn = Array.from(
        { length: 200 },
        (_, index) => drawClip(index, { split: 'test', prompt }, settings).truth,
      );
      const ways = drawn.map((truth) => mean(steps(truth)));
      expect(Math.min(...ways)).toBeLessThan(0.4);
      expect(Math.max(...ways)).toBeGreaterThan(2);
      expect(share(({ rest }) => rest !== null, drawn)).toBeGreaterThan(0.3);
      expect(share(({ kind }) => kind === 'still', drawn) > 0).toBe(!prompt.includes('hops'));
    }
  });
});

describe('motion', () => {
  test('has the shares of the design', () => {
    for (const [kind, wanted] of Object.entries(sprites.KIND_SHARES)) {
      expect(share((truth) => truth.kind === kind)).toBeCloseTo(wanted, 1);
    }
    const moving = truths.filter(({ kind }) => kind !== 'still');
    expect(Math.abs(share(({ rest }) => rest !== null, moving) - 0.5)).toBeLessThan(0.03);
    const named = truths.map((_, index) => drawClip(index, { seed: 21 }, settings).scene.named !== null);
    expect(Math.abs(mean(named.map(Number)) - 0.3 * 0.85)).toBeLessThan(0.03);
    for (const { kind, speed, rest } of truths) {
      if (kind === 'still') expect([speed, rest]).toEqual([0, null]);
      else expect(speed).toBeGreaterThanOrEqual(0.5);
      expect(speed).toBeLessThanOrEqual(5);
    }
  });

  test('is as fast as the design says: 59 % move by the rule, 1.41 px a frame in the mean', () => {
    const moving = share((truth) => steps(truth).filter((step) => step > 1.5).length >= 2);
    expect(Math.abs(moving - 0.59)).toBeLessThan(0.03);
    const ways = truths.map((truth) => mean(steps(truth))).sort((a, b) => a - b);
    expect(mean(ways)).toBeCloseTo(1.41, 1);
    const at = (part: number): number => ways[Math.floor(part * ways.length)]!;
    expect([0.1, 0.25, 0.5, 0.75, 0.9].map(at)).toBeAllClose([0, 0.47, 1.13, 2.16, 3.08], { atol: 0.22 });
  });

  test('stays within the frame, and ends where it comes to rest', () => {
    for (const { path, rest } of truths) {
      for (const [x, y] of path) {
        expect(Math.min(x, y)).toBeGreaterThanOrEqual(SPRITE / 2 - 1e-9);
        expect(Math.max(x, y)).toBeLessThanOrEqual(SIZE - SPRITE / 2 + 1e-9);
      }
      if (rest === null) continue;
      const after = path.slice(Math.ceil(rest));
      for (const point of after) expect(point).toEqual(after[0]);
    }
  });

  test('without rest is the same but for the rest', () => {
    const never = truths.map((_, index) => drawClip(index, { seed: 21 }, { ...settings, rest: 0 }).truth);
    for (const [i, truth] of never.entries()) {
      expect(truth.rest).toBe(null);
      expect({ ...truth, path: 0, rest: 0 }).toEqual({ ...truths[i], path: 0, rest: 0 });
      if (truths[i]!.rest === null) expect(truth.path).toEqual(truths[i]!.path);
    }
  });
});

describe('clips', () => {
  test('training never shows a held-out pair', () => {
    const pairs = new Set(truths.map(({ thing, place }) => `${thing} ${place}`));
    expect(pairs.size).toBe(42);
    expect(truths.filter(sprites.isHeldOut)).toEqual([]);
    const test = Array.from({ length: 2000 }, (_, i) => drawClip(i, { split: 'test' }, settings).truth);
    expect(new Set(test.map(({ thing, place }) => `${thing} ${place}`)).size).toBe(48);
  });

  test('have the same bits everywhere', () => {
    const { clip, caption: text, truth } = world.clip(5, { seed: 1 });
    const digest = createHash('sha256').update(new Uint8Array(clip.data.buffer)).digest('hex');
    expect({ digest, text, truth }).toMatchSnapshot();
  });

  test('a still thing is the place with its picture on it, in every frame', () => {
    const index = truths.findIndex(({ kind }) => kind === 'still');
    const { clip, truth } = world.clip(index, { seed: 21 });
    const [x, y] = truth.path[0]!;
    const still = sprites.picture(truth, () => [x - SPRITE / 2, y - SPRITE / 2], 0, 0);
    for (let frame = 0; frame < clip.frames; frame++) {
      expect(clip.data.subarray(frame * FRAME, (frame + 1) * FRAME)).toBeAllClose(still, { atol: 1e-6 });
    }
  });

  test('are refused with what is wrong', () => {
    expect(() => spriteWorld({ rest: 2 })).toThrow('rest: wanted a share from 0 to 1, received 2');
    expect(() => spriteWorld({ frames: 1 })).toThrow('frames: wanted 2 or more, received 1');
    expect(() => world.clip(0, { prompt: 'a cat' })).toThrow('got "a cat"');
  });
});

describe('pictures', () => {
  test('are read as any reader of PNG reads them', async () => {
    for (const [kind, names] of [
      ['things', THINGS],
      ['places', PLACES],
    ] as const) {
      for (const name of names) {
        const path = `${packageRoot()}/data/sprites/${kind}/${name}.png`;
        const { data, height, width, channels } = readPng(path);
        const wanted = await readImage(path);
        expect([height, width]).toEqual([wanted.height, wanted.width]);
        const rgb = data.filter((_, i) => i % channels < 3);
        expect(Buffer.compare(rgb, wanted.data)).toBe(0);
      }
    }
    expect(() => readPng(`${packageRoot()}/package.json`)).toThrow('wanted a PNG file');
  });

  test('weigh the same at every quarter of a pixel', () => {
    const cover = (right: number, down: number): number =>
      sprites.sprite('fish', right, down).reduce((sum, value, i) => sum + (i % 4 === 3 ? value : 0), 0);
    for (const [right, down] of [
      [1, 0],
      [2, 3],
      [3, 3],
    ] as const) {
      expect(cover(right, down)).toBeCloseTo(cover(0, 0), 3);
    }
  });
});

describe('the tracker', () => {
  test('sees thing, place and path of real clips', () => {
    let [right, frames] = [0, 0];
    const errors: number[] = [];
    for (let index = 0; index < 24; index++) {
      const { clip, truth } = world.clip(index, { seed: 5, split: 'test' });
      const seen = sprites.track(clip);
      right += Number(seen.thing === truth.thing && seen.place === truth.place);
      for (const [i, [x, y]] of seen.path.entries()) {
        errors.push(Math.hypot(x - truth.path[i]![0], y - truth.path[i]![1]));
        frames++;
      }
      expect(Math.abs(seen.pxPerFrame - mean(steps(truth)))).toBeLessThan(0.25);
    }
    expect(right).toBe(24);
    expect(errors.filter((error) => error > 1).length / frames).toBeLessThan(0.02);
    expect(mean(errors)).toBeLessThan(0.3);
  });
});
