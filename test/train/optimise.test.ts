import { beforeAll, describe, expect, test } from 'vitest';
import { use } from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { random, Weights } from '../../src/nn/index.ts';
import {
  adamw,
  clipByGlobalNorm,
  dmdGradient,
  dmdLoss,
  dmdTimestep,
  drawBlockIndices,
  drawSigmas,
  ema,
  flowMatchingLoss,
  gradientsOf,
  Learner,
  makeUpdate,
  odeLoss,
  rateAt,
} from '../../src/train/index.ts';

beforeAll(async () => {
  await use('cpu');
});

function weightsOf(values: number[]): Weights {
  return Weights.from([['w', { dtype: 'float32', shape: [values.length], data: Float32Array.from(values) }]]);
}

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
    expect(() => rateAt({ lr: 1, decay: { kind: 'linear', from: 5, to: 5 } }, 1)).toThrow(
      /from step 5 to step 5 has no length/,
    );
  });
});

describe('optimizer', () => {
  test('the first update of AdamW has the size of the rate, whatever the gradient', () => {
    const weights = weightsOf([1, 1, 1]);
    const state = adamw.init(weights);
    const gradients = new Map([['w', tf.tensor1d([1e-3, -5, 0])]]);
    adamw.update(state, weights, gradients, { lr: 0.1, weightDecay: 0 });
    expect(weights.get('w').dataSync()).toBeAllClose([0.9, 1.1, 1], { atol: 1e-5 });
    adamw.dispose(state);
  });

  test('weight decay pulls without a gradient of the loss', () => {
    const weights = weightsOf([2]);
    adamw.update(adamw.init(weights), weights, new Map([['w', tf.zeros([1])]]), { lr: 0.1, weightDecay: 0.5 });
    expect(weights.get('w').dataSync()).toBeAllClose([1.9], { atol: 1e-6 });
  });

  test('clipping bounds the total norm and leaves small gradients alone', () => {
    const gradients = new Map<string, Tensor>([
      ['a', tf.tensor1d([3, 0])],
      ['b', tf.scalar(4)],
    ]);
    const { gradients: scaled, norm, clipped } = clipByGlobalNorm(gradients, 1);
    expect(norm.dataSync()[0]).toBeCloseTo(5, 6);
    expect(clipped.dataSync()[0]).toBe(1);
    expect([...scaled.get('a')!.dataSync(), ...scaled.get('b')!.dataSync()]).toBeAllClose([0.6, 0, 0.8], {
      atol: 1e-6,
    });
    expect(clipByGlobalNorm(gradients, 10).clipped.dataSync()[0]).toBe(0);
  });

  test('an average is a copy up to its start and then follows', () => {
    const weights = weightsOf([1]);
    const average = ema.init(weights);
    const seen = [1, 2, 3, 4].map((step) => {
      tf.tidy(() => weights.get('w').assign(tf.tensor1d([step])));
      ema.update(average, weights, step, { decay: 0.5, start: 2 });
      return average.get('w').dataSync()[0];
    });
    expect(seen).toEqual([1, 2, 2.5, 3.25]);
    expect(ema.gap(average, weights).dataSync()[0]).toBeCloseTo(0.75 / 4, 6);
    expect(() => ema.coefficients(1, { decay: 1 })).toThrow(/ema decay is 1: give a number in \[0, 1\)/);
  });

  test('an update lowers a simple loss and reports further values', async () => {
    const weights = weightsOf([4, -3]);
    const learner = new Learner('toy', weights, { lr: 0.1, weightDecay: 0, clip: null });
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
    expect(last.values['largest']).toBeLessThan(0.2);
    learner.dispose();
  });

  test('a loss that is not finite stops the run with advice', async () => {
    const weights = weightsOf([1]);
    const learner = new Learner('toy', weights, { lr: 0.1 });
    const update = makeUpdate(learner, () => ({ loss: tf.sum(tf.log(tf.sub(weights.get('w'), 1))) }));
    await expect(update()).rejects.toThrow(/toy: loss .* at update 1: training has diverged; .* lower learning rate/);
  });

  test('a loss that does not depend on the weights is refused', () => {
    expect(() => gradientsOf(weightsOf([1]), () => ({ loss: tf.scalar(1) }))).toThrow();
  });
});

describe('losses', () => {
  test('flow matching is zero at the true velocity and weighs samples', () => {
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
    expect(flowMatchingLoss(off, x0, noise, tf.tensor1d([1, 0])).dataSync()[0]).toBeCloseTo(0.5, 6);
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
    const drawn = [1, 5, 100, 500, 900, 990].map((raw) => dmdTimestep(raw, { shift: 5 }));
    expect(drawn).toBeAllClose([20, 24.5098, 357.1429, 833.3333, 978.2609, 980], { atol: 1e-3 });
    expect(dmdTimestep(500, { shift: 1 })).toBe(500);
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
