import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { architecture, random, Weights } from '../../src/nn/index.ts';
import {
  adamw,
  chosenBy,
  ema,
  gradientsOf,
  Learner,
  type LearnerOptions,
  makeUpdate,
  muon,
  type Optimiser,
  parametersOf,
  settleLearner,
} from '../../src/train/index.ts';
import {
  dmdGradient,
  dmdLoss,
  dmdTimestep,
  drawBlockIndices,
  drawSigmas,
  flowMatchingLoss,
  odeLoss,
} from '../../src/train/losses.ts';
import { rateAt } from '../../src/train/optimiser/learner-options.ts';
import { measureClip, orthogonalise, releaseState } from '../../src/train/optimiser/optimiser.ts';
import { weightsOf } from './toys.ts';

const engines = ['cpu', 'onnx'] as const;

/** A learner's settings for weights of no architecture. */
function settled(weights: Weights, options: LearnerOptions) {
  return settleLearner({ weights }, options);
}

beforeAll(async () => {
  await use('cpu');
});

describe('learning rate', () => {
  test('constant, warm-up, linear and cosine decay', () => {
    const decay = { from: 10, to: 20, final: 0.1 };
    const rates = (schedule: Parameters<typeof rateAt>[0], steps: number[]) =>
      steps.map((step) => rateAt(schedule, step));
    expect(rates(2, [1, 100])).toEqual([2, 2]);
    expect(rates({ lr: 2, warmup: 4 }, [1, 2, 4, 9])).toEqual([0.5, 1, 2, 2]);
    const linear = rates({ lr: 2, decay: { kind: 'linear', ...decay } }, [1, 10, 15, 20, 99]);
    expect(linear).toBeAllClose([2, 2, 1.1, 0.2, 0.2], { atol: 1e-12 });
    const cosine = rates({ lr: 2, decay: { kind: 'cosine', ...decay } }, [10, 15, 20, 99]);
    expect(cosine).toBeAllClose([2, 1.1, 0.2, 0.2], { atol: 1e-12 });
  });

  test('a decay without length is refused', () => {
    const lr = { lr: 1, decay: { kind: 'linear', from: 5, to: 5 } } as const;
    expect(() => settled(weightsOf('w', [1]), { lr })).toThrow(/lr: a decay from step 5 to step 5 has no length/);
  });
});

/** Every optimiser is held to the same demands. */
const optimisers: [string, Optimiser][] = [
  ['AdamW', adamw({ weightDecay: 0 })],
  ['Muon', muon()],
  [
    'both',
    chosenBy((name) => (name === 'hidden' ? 'muon' : 'adamw'), { adamw: adamw({ weightDecay: 0 }), muon: muon() }),
  ],
];

describe.each(engines)('on %s', (engine) => {
  beforeAll(async () => {
    await use(engine);
  });

  describe.each(optimisers)('%s', (_, optimiser) => {
    /** Two matrices, so that each optimiser may take either. */
    const start = () =>
      Weights.from([
        ['hidden', random.key('hidden').normal([4, 6])],
        ['head', random.key('head').normal([6, 3])],
      ]);

    /** Mean square of `hidden · head` and of the weights: zero is best. */
    const loss = (weights: Weights) => () => {
      const product = tf.matMul(weights.get('hidden') as never, weights.get('head') as never);
      return { loss: tf.mean(tf.square(product)) };
    };

    test('lowers a loss, and leaves no tensor behind', async () => {
      const weights = start();
      const parameters = parametersOf(weights);
      const before = tf.memory().numTensors;
      const state = optimiser.init(parameters);
      const losses: number[] = [];
      for (let step = 1; step <= 100; step++) {
        const value = tf.tidy(() => {
          const made = gradientsOf(parameters, loss(weights));
          optimiser.update(made.gradients, state, parameters, { lr: 0.03, step });
          return made.loss;
        });
        losses.push((await value.data())[0]!);
        value.dispose();
      }
      expect(losses.at(-1)).toBeLessThan(0.1 * losses[0]!);
      releaseState(state);
      expect(tf.memory().numTensors).toBe(before);
    });

    test('does not move what has no gradient, nor its state', async () => {
      const weights = start();
      const parameters = parametersOf(weights);
      const state = optimiser.init(parameters);
      const before = [...(await weights.get('head').data())];
      const gradients = new Map([['hidden', tf.onesLike(weights.get('hidden'))]]);
      tf.tidy(() => optimiser.update(gradients, state, parameters, { lr: 0.1, step: 1 }));
      expect([...(await weights.get('head').data())]).toEqual(before);
      for (const moments of Object.values(state)) {
        for (const [name, { data }] of await moments.toHost()) {
          expect(Array.from(data as Float32Array).some((x) => x !== 0)).toBe(name === 'hidden');
        }
      }
    });

    test('keeps no state but of its own parameters, zero at first', async () => {
      const parameters = parametersOf(start(), (name) => name === 'hidden');
      const state = optimiser.init(parameters);
      for (const moments of Object.values(state)) {
        for (const [name, { data }] of await moments.toHost()) {
          expect(name).toBe('hidden');
          expect(Array.from(data as Float32Array).every((x) => x === 0)).toBe(true);
        }
      }
      releaseState(state);
    });
  });

  test('the first update of AdamW has the size of the rate, whatever the gradient', () => {
    const parameters = parametersOf(weightsOf('w', [1, 1, 1]));
    const optimiser = adamw({ weightDecay: 0 });
    const gradients = new Map([['w', tf.tensor1d([1e-3, -5, 0])]]);
    optimiser.update(gradients, optimiser.init(parameters), parameters, { lr: 0.1, step: 1 });
    expect(parameters.get('w')!.dataSync()).toBeAllClose([0.9, 1.1, 1], { atol: 1e-5 });
  });

  test('weight decay pulls without a gradient of the loss', () => {
    const parameters = parametersOf(weightsOf('w', [2]));
    const optimiser = adamw({ weightDecay: 0.5 });
    const gradients = new Map([['w', tf.zeros([1])]]);
    optimiser.update(gradients, optimiser.init(parameters), parameters, { lr: 0.1, step: 1 });
    expect(parameters.get('w')!.dataSync()).toBeAllClose([1.9], { atol: 1e-6 });
  });

  test.each([
    [6, 6],
    [4, 16],
    [16, 4],
  ])("Muon's direction of a [%i, %i] matrix is nearly orthogonal", async (rows, columns) => {
    const x = tf.tensor(random.key('muon').normal([rows, columns]).data, [rows, columns]);
    const y = orthogonalise(x);
    const square = rows <= columns ? tf.matMul(y, y, false, true) : tf.matMul(y, y, true, false);
    const side = Math.min(rows, columns);
    const values = await square.data<'float32'>();
    for (let i = 0; i < side; i++) {
      expect(values[i * side + i]).toBeGreaterThan(0.4);
      expect(values[i * side + i]).toBeLessThan(1.5);
      for (let j = 0; j < i; j++) expect(Math.abs(values[i * side + j] ?? 1)).toBeLessThan(0.35);
    }
  });

  test('a factor of all gradients bounds their total norm and leaves small ones alone', () => {
    const gradients = new Map<string, Tensor>([
      ['a', tf.tensor1d([3, 0])],
      ['b', tf.scalar(4)],
    ]);
    const { scale, norm, clipped } = measureClip(gradients, 1);
    expect(norm.dataSync()[0]).toBeCloseTo(5, 6);
    expect(scale.dataSync()[0]).toBeCloseTo(0.2, 6);
    expect(clipped.dataSync()[0]).toBe(1);
    expect(measureClip(gradients, 10).clipped.dataSync()[0]).toBe(0);
    expect(measureClip(gradients, null).scale.dataSync()[0]).toBe(1);
  });

  test('an average is a copy up to its start and then follows', () => {
    const weights = weightsOf('w', [1]);
    const average = weights.clone({ trainable: false });
    const seen = [1, 2, 3, 4].map((step) => {
      tf.tidy(() => weights.variable('w').assign(tf.tensor1d([step])));
      ema.update(average, weights, ema.coefficients(step, { decay: 0.5, start: 2 }));
      return average.get('w').dataSync()[0];
    });
    expect(seen).toEqual([1, 2, 2.5, 3.25]);
    expect(ema.gap(average, weights).dataSync()[0]).toBeCloseTo(0.75 / 4, 6);
  });

  test('an update lowers a simple loss and reports further values', async () => {
    const weights = weightsOf('w', [4, -3]);
    const learner = new Learner('toy', { weights }, settled(weights, { lr: 0.1, weightDecay: 0, clip: null }));
    const update = makeUpdate(learner, (target: Tensor) => {
      const error = tf.sub(weights.get('w'), target);
      return { loss: tf.mean(tf.square(error)), values: { largest: tf.max(tf.abs(error)) } };
    });
    const target = tf.tensor1d([1, 1]);
    const first = await update(target);
    for (let i = 0; i < 100; i++) await update(target);
    const last = await update(target);
    expect(first).toEqual({ loss: 12.5, gradNorm: 5, clipped: 0, values: { largest: 4 } });
    expect(last.loss).toBeLessThan(1e-2);
    expect(last.values.largest).toBeLessThan(0.2);
    learner.dispose();
  });

  test('a part of the weights is trained alone: gradients, moments, average and checkpoint know no other', async () => {
    const weights = Weights.from([
      ['lora.a', random.key(1).normal([3])],
      ['base', random.key(2).normal([3])],
    ]);
    const [net, average] = [{ weights }, { weights: weights.clone({ trainable: false }) }];
    const settings = settled(weights, { lr: 0.1, trainable: (name) => name.startsWith('lora') });
    expect(settings.trainable).toEqual(['lora.a']);
    const learner = new Learner('toy', net, { ...settings, average: { net: average, decay: 0.5, start: 1 } });
    const base = [...(await weights.get('base').data())];
    const update = makeUpdate(learner, () => ({
      loss: tf.add(tf.sum(tf.square(weights.get('lora.a'))), tf.sum(tf.square(weights.get('base')))),
    }));
    const { gradNorm } = await update();
    const norm = Math.hypot(...random.key(1).normal([3]).data);
    expect(gradNorm).toBeCloseTo(2 * norm, 4);
    expect([...(await weights.get('base').data())]).toEqual(base);
    expect(await average.weights.get('lora.a').data()).toEqual(await weights.get('lora.a').data());
    const files = await learner.tensors();
    expect(Object.fromEntries([...files].map(([file, tensors]) => [file, [...tensors.keys()]]))).toEqual({
      toy: ['lora.a'],
      'toy-average': ['lora.a'],
      'toy-optimiser': ['step', 'first:lora.a', 'second:lora.a'],
    });
    learner.dispose();
  });

  test('a loss that is not finite stops the run with advice', async () => {
    const weights = weightsOf('w', [1]);
    const learner = new Learner('toy', { weights }, settled(weights, { lr: 0.1 }));
    const update = makeUpdate(learner, () => ({ loss: tf.sum(tf.log(tf.sub(weights.get('w'), 1))) }));
    await expect(update()).rejects.toThrow(/toy: loss .* at update 1: training has diverged; .* lower learning rate/);
  });
});

describe('what Muon trains', () => {
  const net = architecture({
    name: 'toy',
    presets: {},
    shapes: () => new Map(),
    isHidden: (name) => name.startsWith('blocks.'),
    forward: null,
  });
  const shapes = {
    'blocks.0.weight': [8, 4],
    'blocks.0.conv': [8, 4, 3, 3, 3],
    'blocks.0.bias': [8],
    'blocks.0.row': [1, 6],
  };
  const weights = () =>
    Weights.from(
      Object.entries({ ...shapes, head: [8, 4] }).map(([name, shape]) => [name, random.key(name).normal(shape)]),
    );

  test('are the matrices between hidden states, by what the architecture says; they have no second moment', async () => {
    const toy = { architecture: net, weights: weights() };
    const learner = new Learner('toy', toy, settleLearner(toy, { lr: 0.1, muon: {} }));
    const names = [...(await learner.tensors()).get('toy-optimiser')!.keys()];
    const rest = ['blocks.0.bias', 'blocks.0.row', 'head'];
    expect(names).toEqual([
      'step',
      ...rest.map((name) => `adamw.first:${name}`),
      ...rest.map((name) => `adamw.second:${name}`),
      ...['blocks.0.weight', 'blocks.0.conv'].map((name) => `muon.momentum:${name}`),
    ]);
    learner.dispose();
  });

  test('nothing, where the architecture does not say', () => {
    expect(() => settled(weights(), { lr: 0.1, muon: {} })).toThrow(/muon: this network does not say/);
  });
});

test('a loss that does not depend on the weights is refused', () => {
  expect(() => gradientsOf(parametersOf(weightsOf('w', [1])), () => ({ loss: tf.scalar(1) }))).toThrow();
});

describe('losses', () => {
  test('flow matching is zero at the true velocity', () => {
    const [x0, noise] = [
      tf.tensor2d([
        [1, 2],
        [3, 4],
      ]),
      tf.tensor2d([
        [0, 0],
        [1, 1],
      ]),
    ];
    const velocity = tf.sub(noise, x0);
    expect(flowMatchingLoss(velocity, x0, noise).dataSync()[0]).toBe(0);
    const off = tf.add(
      velocity,
      tf.tensor2d([
        [1, 1],
        [2, 2],
      ]),
    );
    expect(flowMatchingLoss(off, x0, noise).dataSync()[0]).toBeCloseTo(2.5, 6);
  });

  test('the worked example of distribution matching', () => {
    const [fake, x0] = [tf.tensor2d([[0.2, -0.1]]), tf.tensor2d([[0.6, 0]])];
    const { gradient, normaliser } = dmdGradient(x0, fake, tf.tensor2d([[0.8, 0.9]]));
    expect(normaliser.dataSync()).toBeAllClose([0.55], { atol: 1e-6 });
    expect(gradient.dataSync()).toBeAllClose([-1.0909091, -1.8181818], { atol: 1e-6 });
    expect(dmdLoss(x0, gradient).dataSync()).toBeAllClose([1.1239669], { atol: 1e-6 });
    const back = tf.grad((x: Tensor) => dmdLoss(x, gradient))(x0);
    expect(back.dataSync()).toBeAllClose([-0.54545455, -0.9090909], { atol: 1e-6 });
  });

  test('timesteps of distribution matching are shifted and clamped', () => {
    const drawn = [1, 5, 100, 500, 900, 990].map((raw) => dmdTimestep(raw, 5));
    expect(drawn).toBeAllClose([20, 24.5098, 357.1429, 833.3333, 978.2609, 980], { atol: 1e-3 });
    expect(dmdTimestep(500, 1)).toBe(500);
  });

  test('clean frames do not count in the regression of trajectories', () => {
    const [estimate, target] = [tf.tensor3d([[[1], [5]]]), tf.zeros([1, 2, 1])];
    expect(odeLoss(estimate, target, tf.tensor2d([[500, 0]])).dataSync()[0]).toBe(1);
    expect(odeLoss(estimate, target, tf.tensor2d([[500, 250]])).dataSync()[0]).toBe(13);
  });
});

describe('draws', () => {
  test('the frames of a block share an entry, blocks and samples do not', () => {
    const rows = drawBlockIndices(random.key(1), { batch: 50, blocks: [1, 3, 3], entries: 4 });
    expect(rows[0]).toHaveLength(7);
    for (const row of rows) {
      expect(new Set(row.slice(1, 4)).size).toBe(1);
      expect(new Set(row.slice(4, 7)).size).toBe(1);
    }
    expect(new Set(rows.map((row) => row.join())).size).toBeGreaterThan(20);
    expect(new Set(rows.flat())).toEqual(new Set([0, 1, 2, 3]));
  });

  test('noise levels follow their distribution, a shift moves them up', () => {
    const mean = (sampling: Parameters<typeof drawSigmas>[2]): number => {
      const drawn = drawSigmas(random.key(2), 4000, sampling);
      expect(drawn.every((sigma) => sigma >= 0 && sigma <= 1)).toBe(true);
      return drawn.reduce((sum, sigma) => sum + sigma, 0) / drawn.length;
    };
    expect(mean({ kind: 'uniform' })).toBeCloseTo(0.5, 1);
    expect(mean({ kind: 'uniform', shift: 5 })).toBeGreaterThan(0.7);
    expect(mean({ kind: 'logit-normal', mean: -2 })).toBeLessThan(0.2);
  });
});
