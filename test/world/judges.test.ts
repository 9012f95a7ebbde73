import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { parameterCount, random } from '../../src/nn/index.ts';
import type * as train from '../../src/train/index.ts';
import {
  digits,
  type PreferenceConfig,
  type PreferenceOptions,
  preferenceArchitecture,
  preferenceJudges,
  preferenceReward,
  trainPreference,
  validatePreferences,
} from '../../src/world/index.ts';
import { drawPairs, preferenceConfig } from '../../src/world/internal.ts';

const task = digits.digitTask({ id: 'digits', options: {} });
const architecture = preferenceArchitecture(task.attributes);
const sizes = preferenceConfig(32, 27);
const TINY: PreferenceConfig = { ...sizes, stem: 8, width: 32, ffn: 64, visionLayers: 1, textLayers: 1 };

beforeAll(async () => {
  await engine.use('onnx');
});

async function collect<Step extends train.TrainStep>(run: AsyncIterable<Step>): Promise<Step[]> {
  const steps: Step[] = [];
  for await (const step of run) steps.push(step);
  return steps;
}

describe('pairs of the digits', () => {
  const pairs = Array.from({ length: 400 }, (_, i) => digits.digitPair(random.key(1).stream(i)));

  test('differ in exactly what their kind says', () => {
    for (const { kind, better, worse } of pairs) {
      const label = better.shown;
      const claimed = digits.parseCaption(worse.caption);
      expect(digits.parseCaption(better.caption)).toEqual(label);
      const samePicture = better.picture === worse.picture;
      expect(samePicture).toBe(kind.startsWith('caption'));
      if (kind === 'caption digit') expect(claimed).toEqual({ ...label, digit: claimed.digit });
      if (kind === 'caption colour') expect(claimed).toEqual({ ...label, colour: claimed.colour });
      if (kind === 'image digit') expect(worse.shown).toEqual({ ...label, digit: worse.shown.digit });
      if (kind === 'image colour') expect(worse.shown).toEqual({ ...label, colour: worse.shown.colour });
      expect(worse.shown === label).toBe(samePicture || kind === 'quality');
      expect(worse.caption === better.caption).toBe(!samePicture);
    }
  });

  test('come in the stated shares', () => {
    for (const [kind, share] of Object.entries(digits.PAIR_SHARES)) {
      const seen = pairs.filter((pair) => pair.kind === kind).length / pairs.length;
      expect(Math.abs(seen - share)).toBeLessThan(0.07);
    }
  });

  test('pictures lie in [0, 1]; the worse side of a quality pair is less sharp', () => {
    let lost = 0;
    let count = 0;
    for (const { kind, better, worse } of pairs) {
      expect(Math.min(...worse.picture)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...worse.picture)).toBeLessThanOrEqual(1);
      if (kind !== 'quality') continue;
      count++;
      if (Math.max(...worse.picture) < Math.max(...better.picture)) lost++;
    }
    expect(lost / count).toBeGreaterThan(0.6);
  });

  test('the same key gives the same batch; splits draw other handwriting', async () => {
    const draw = (split: 'train' | 'test') => drawPairs(task, random.key(4), { count: 4, length: 12, split });
    const [first, again, other] = [draw('train'), draw('train'), draw('test')];
    const pixels = await Promise.all([first, again, other].map(({ batch }) => batch.pictures.data()));
    expect(pixels[0]).toEqual(pixels[1]);
    expect(pixels[0]).not.toEqual(pixels[2]);
    expect(first.kinds).toHaveLength(4);
    const shapes = Object.entries(first.batch).map(([name, { shape }]) => [name, shape]);
    expect(Object.fromEntries(shapes)).toEqual({
      pictures: [8, 32, 32, 3],
      tokens: [8, 12],
      digit: [8],
      colour: [8],
    });
  });
});

describe('the preference judge', () => {
  const run = async (options: Partial<PreferenceOptions> & { steps: number }) => {
    const net = architecture.init(TINY, random.key(1));
    const reports = await collect(trainPreference({ net, task, seed: 0, batch: 16, lr: 3e-3, ...options }));
    return { net, reports };
  };

  test('has 312,977 parameters for the digits; the second judge has another stem', () => {
    expect(parameterCount(architecture.shapes(sizes))).toBe(312_977);
    const [reward, judge] = preferenceJudges(task);
    expect(reward.config).toEqual(sizes);
    expect(judge.config).toEqual({ ...sizes, stem: 24 });
  });

  test('pre-training changes the image tower and leaves text and score alone', async () => {
    const { net, reports } = await run({ steps: 5, pretraining: 5 });
    const fresh = architecture.init(TINY, random.key(1));
    const [first, moved] = await Promise.all([fresh, net].map((all) => all.weights.get('vision.stem.0.weight').data()));
    expect(moved).not.toEqual(first);
    expect(await net.weights.get('head.0.weight').data()).toEqual(await fresh.weights.get('head.0.weight').data());
    expect(reports.some((report) => 'preference' in report || 'accuracy' in report)).toBe(false);
    expect(reports[0]?.attributes).toBeCloseTo(Math.log(10) + Math.log(6), 0);
  });

  test('after it preferences are learnt, those of quality first', async () => {
    const { net, reports } = await run({ steps: 50, pretraining: 5 });
    expect(reports[5]?.preference).toBeCloseTo(Math.LN2, 1);
    const report = await validatePreferences(net, task, { pairs: 100 });
    expect(report.byKind['quality']).toBeGreaterThan(0.85);
    expect(report.scale.std).toBeGreaterThan(0);
  });

  test('the same seed gives the same run', async () => {
    const metrics = async () => (await run({ steps: 4, seed: 3 })).reports.map(({ stepMs: _, ...rest }) => rest);
    expect(await metrics()).toEqual(await metrics());
  });

  test('refuses words that its world does not have', () => {
    const reward = preferenceReward(architecture.init(TINY, random.key(1)), { words: task.words, id: 'small' });
    expect(() => reward.encode(['a red cat'])).toThrow('"cat"');
    expect(() => reward.encode([`a ${'red '.repeat(12)}digit`])).toThrow('raise length');
    reward.dispose();
  });
});

test('the digit classifier learns', async () => {
  const net = digits.classifier.init(digits.CLASSIFIER, random.key(1));
  const reports = await collect(digits.trainClassifier({ net, steps: 30, seed: 0, batch: 16, lr: 3e-3 }));
  const losses = reports.map(({ loss }) => loss);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(losses.slice(-8))).toBeLessThan(mean(losses.slice(0, 8)));
  net.dispose();
});
