import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { random } from '../../src/nn/index.ts';
import { CLASSIFIER, classifier } from '../../src/world/digits/classifier/index.ts';
import { classifier as trainClassifier } from '../../src/world/digits/classifier/train-classifier.ts';
import {
  SMALL_REWARD,
  type SmallRewardConfig,
  smallRewardNet,
  validatePreferences,
} from '../../src/world/digits/judge/index.ts';
import { type PreferenceTrainOptions, preference } from '../../src/world/digits/judge/train-preference.ts';

const TINY: SmallRewardConfig = { ...SMALL_REWARD, stem: 8, width: 32, ffn: 64, visionLayers: 1, textLayers: 1 };

beforeAll(async () => {
  await engine.use('onnx');
});

async function collect<Step>(run: AsyncIterable<Step>): Promise<Step[]> {
  const steps: Step[] = [];
  for await (const step of run) steps.push(step);
  return steps;
}

describe('the small reward', () => {
  const run = async (options: Partial<PreferenceTrainOptions> & { steps: number }) => {
    const reward = smallRewardNet.init(TINY, random.key(1));
    const settings = { reward, seed: 0, batch: 16, lr: 3e-3, ...options };
    return { weights: reward.weights, reports: await collect(preference(settings)) };
  };

  test('pre-training changes the image tower and leaves text and score alone', async () => {
    const { weights, reports } = await run({ steps: 5, pretraining: 5 });
    const fresh = smallRewardNet.init(TINY, random.key(1)).weights;
    const [first, moved] = await Promise.all([fresh, weights].map((all) => all.get('vision.stem.0.weight').data()));
    expect(moved).not.toEqual(first);
    expect(await weights.get('head.0.weight').data()).toEqual(await fresh.get('head.0.weight').data());
    expect(reports.some((report) => 'preference' in report || 'accuracy' in report)).toBe(false);
    expect(reports[0]?.attributes).toBeCloseTo(Math.log(10) + Math.log(6), 0);
  });

  test('after it preferences are learnt, those of quality first', async () => {
    const { weights, reports } = await run({ steps: 50, pretraining: 5 });
    expect(reports[5]?.preference).toBeCloseTo(Math.LN2, 1);
    const report = await validatePreferences(weights, TINY, { pairs: 100 });
    expect(report.byKind.quality).toBeGreaterThan(0.85);
    expect(report.scale.std).toBeGreaterThan(0);
  });

  test('the same seed gives the same run', async () => {
    const metrics = async () => (await run({ steps: 4, seed: 3 })).reports.map(({ stepMs: _, ...rest }) => rest);
    expect(await metrics()).toEqual(await metrics());
  });
});

test('the digit classifier learns', async () => {
  const net = classifier.init(CLASSIFIER, random.key(1));
  const reports = await collect(trainClassifier({ classifier: net, steps: 30, seed: 0, batch: 16, lr: 3e-3 }));
  const losses = reports.map(({ loss }) => loss);
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(mean(losses.slice(-8))).toBeLessThan(mean(losses.slice(0, 8)));
  net.dispose();
});
