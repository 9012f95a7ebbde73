import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { frameScores } from '../../src/evaluate/internal.ts';
import { random } from '../../src/nn/index.ts';
import { preferenceArchitecture, preferenceReward, sprites } from '../../src/world/index.ts';
import { preferenceConfig } from '../../src/world/internal.ts';

const { gradientEnergy, PAIR_SHARES, parseCaption, PLACES, spritePair, spriteTask, spriteWorld, THINGS } = sprites;
const pairs = Array.from({ length: 300 }, (_, i) => spritePair(random.key(1).stream(i)));
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

beforeAll(async () => {
  await use('onnx', { threads: 1, spin: false });
});

describe('pairs of the sprites', () => {
  test('differ in what their kind says', () => {
    for (const { kind, better, worse } of pairs) {
      const said = parseCaption(better.caption);
      const claimed = parseCaption(worse.caption);
      expect(better.shown).toEqual({ thing: THINGS.indexOf(said.thing), place: PLACES.indexOf(said.place) });
      expect(better.picture === worse.picture).toBe(kind.startsWith('caption'));
      if (kind === 'caption thing') expect(claimed).toEqual({ ...said, thing: claimed.thing });
      if (kind === 'caption place') expect(claimed).toEqual({ ...said, place: claimed.place });
      expect(worse.caption !== better.caption).toBe(kind.startsWith('caption'));
      expect(worse.shown['thing'] !== better.shown['thing']).toBe(kind === 'image thing');
      expect(worse.shown['place']).toBe(better.shown['place']);
    }
  });

  test('come in the stated shares, within [0, 1], the same for the same key', () => {
    expect(Object.values(PAIR_SHARES).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1);
    for (const [kind, share] of Object.entries(PAIR_SHARES)) {
      expect(Math.abs(pairs.filter((pair) => pair.kind === kind).length / pairs.length - share)).toBeLessThan(0.06);
    }
    expect(pairs.every(({ worse }) => worse.picture.every((value) => value >= 0 && value <= 1))).toBe(true);
    expect(spritePair(random.key(1).stream(7))).toEqual(pairs[7]);
  });

  test('hold no pair that training never shows, but in the other split', () => {
    const isHeldOut = ({ better }: (typeof pairs)[number]) => sprites.isHeldOut(parseCaption(better.caption));
    expect(pairs.some(isHeldOut)).toBe(false);
    expect(Array.from({ length: 60 }, (_, i) => spritePair(random.key(2).stream(i), 'test')).some(isHeldOut)).toBe(
      true,
    );
  });

  test('blur by motion and by a lens takes gradient energy', () => {
    const sharpness = (side: (typeof pairs)[number]['better']) => gradientEnergy(side.picture, [19, 19]);
    for (const some of ['moving', 'soft']) {
      const of = pairs.filter(({ kind }) => kind === some);
      const [worse, better] = [of.map((pair) => sharpness(pair.worse)), of.map((pair) => sharpness(pair.better))];
      expect(mean(worse)).toBeLessThan(mean(better));
    }
  });
});

test('judges see 64 tokens of a picture and score clips of this world', async () => {
  const task = spriteTask({ id: 'sprites', options: {} });
  const config = preferenceConfig(64, task.words.length + 2);
  expect(config.stride).toBe(8);
  const architecture = preferenceArchitecture(task.attributes);
  const net = architecture.init({ ...config, stem: 8, width: 32, ffn: 64, visionLayers: 1 }, random.key(1));
  expect(net.weights.get('vision.pos_embed').shape).toEqual([1, 65, 32]);
  const reward = preferenceReward(net, { words: task.words, id: 'tiny' });
  const { clip, caption: text } = spriteWorld().clip(0);
  const [score] = await frameScores([clip], [text], reward, -1);
  expect(Number.isFinite(score)).toBe(true);
  reward.dispose();
});
