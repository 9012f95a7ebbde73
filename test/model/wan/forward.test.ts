/** Whole passes on weights that any implementation can repeat (hashed.ts); figures from the reference implementation. */
import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../../src/engine/index.ts';
import { type Tensor, tf } from '../../../src/engine/tf.ts';
import {
  createCache,
  type KvCache,
  type WanConfig,
  wanCachedForward,
  wanCausalForward,
  wanForward,
  wanPresets,
  wanShapes,
} from '../../../src/model/internal.ts';
import { wanTeacherForcing } from '../../../src/model/wan/causal.ts';
import { Weights } from '../../../src/nn/index.ts';
import { hashed, hashedWeight } from '../hashed.ts';

const config = wanPresets.tiny;
const timesteps = [1000, 833.33331, 625];

let weights: Weights;
let context: Tensor;
beforeAll(async () => {
  await engine.use('cpu');
  weights = Weights.from(
    [...wanShapes(config)].map(([name, shape]) => [
      name,
      { dtype: 'float32', shape: [...shape], data: hashedWeight(name, shape) },
    ]),
  );
  context = tf.tensor(hashed('context', [5, 24]), [1, 5, 24]);
});

/** U(name) of shape [B, C, F, H, W] as [B, F, H, W, C]. */
function latents(name: string, shape: number[], channelAxis: 1 | 2 = 1): Tensor {
  const order = channelAxis === 1 ? [0, 2, 3, 4, 1] : [0, 1, 3, 4, 2];
  return tf.tidy(() => tf.transpose(tf.tensor(hashed(name, shape), shape), order));
}

const video = (): Tensor => latents('x', [1, 4, 3, 4, 6]);
const frame = (x: Tensor, index: number): Tensor => tf.slice(x, [0, index, 0, 0, 0], [-1, 1, -1, -1, -1]);

/** Checks the first values, the last one, the mean and the mean magnitude in the order [B, C, F, H, W]. */
function expectSummary(out: Tensor, first: number[], last: number, mean: number, meanAbs: number): void {
  const values = Array.from(tf.transpose(out, [0, 4, 1, 2, 3]).dataSync());
  const average = (list: number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const received = [...values.slice(0, 4), values.at(-1)!, average(values), average(values.map(Math.abs))];
  expect(received).toBeAllClose([...first, last, mean, meanAbs], { atol: 1e-5 });
}

const causalStart = [-1.08318, 0.911702, -0.404119, 0.12439];

test('bidirectional', () => {
  const out = wanForward({ weights, config }, { x: video(), t: 937.5, context });
  expectSummary(out, [-0.822653, -0.260259, -0.328706, 0.205517], 0.585236, -0.00796904, 0.784668);
});

test.each(['mask', 'blocks'] as const)('causal by %s', (attention) => {
  const out = wanCausalForward({ weights, config }, { x: video(), t: [timesteps], context }, { attention });
  expectSummary(out, causalStart, -0.370321, -0.163804, 0.870791);
});

test('teacher forcing', () => {
  const input = { x: video(), t: [timesteps], context, cleanX: latents('clean', [1, 4, 3, 4, 6]) };
  expectSummary(wanTeacherForcing({ weights, config }, input), causalStart, -1.15246, -0.147641, 0.875385);
});

describe('cached', () => {
  const rollout = (changes: Partial<WanConfig>): Tensor => {
    const student = { ...config, ...changes };
    let cache = createCache(student, 6);
    const blocks = timesteps.map((t, index) => {
      const result = wanCachedForward({ weights, config: student }, { x: frame(video(), index), t, context }, cache);
      cache = result.cache;
      return result.velocity;
    });
    return tf.concat(blocks, 1);
  };

  test.each([
    ['all frames', {}, -0.370321, -0.163804, 0.870791],
    ['2 frames', { local_attn_size: 2 }, 0.0597563, -0.147782, 0.848702],
    ['2 frames, the first kept', { local_attn_size: 2, sink_size: 1 }, -1.0532, -0.189231, 0.877144],
  ] as const)('%s', (_, changes, last, mean, meanAbs) => {
    expectSummary(rollout(changes), causalStart, last, mean, meanAbs);
  });
});

/** x0 of frame `index` after `steps`, and the cache after a pass over it at t = 0. */
function denoise(x: Tensor, cache: KvCache, steps: number[], noise: (step: number) => Tensor) {
  let x0 = x;
  for (const [step, t] of steps.entries()) {
    const noisy = step === 0 ? x : tf.add(tf.mul(x0, 1 - t / 1000), tf.mul(noise(step - 1), t / 1000));
    const { velocity } = wanCachedForward({ weights, config }, { x: noisy, t, context }, cache);
    x0 = tf.sub(noisy, tf.mul(velocity, t / 1000));
  }
  return { x0, cache: wanCachedForward({ weights, config }, { x: x0, t: 0, context }, cache).cache };
}

test('few-step rollout', () => {
  const noise = latents('noise', [1, 3, 4, 4, 6], 2);
  let cache = createCache(config, 6);
  const frames = [0, 1, 2].map((f) => {
    const fresh = (step: number) => latents(`eps_${f}_${step}`, [1, 1, 4, 4, 6], 2);
    const result = denoise(frame(noise, f), cache, [1000, 937.5, 833.33331, 625], fresh);
    cache = result.cache;
    return result.x0;
  });
  const values = Array.from(tf.transpose(tf.concat(frames, 1), [0, 1, 4, 2, 3]).dataSync()); // [B, F, C, H, W]
  expect(values.slice(0, 4)).toBeAllClose([0.294695, -1.57086, 0.297384, -0.185118], { atol: 1e-4 });
  expect(values.slice(192, 196)).toBeAllClose([0.944356, -2.93192, 0.473435, -2.73469], { atol: 1e-4 });
  expect(values.at(-1)).toBeCloseTo(2.02067, 4);
  expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.0744303, 4);
});

test('gradients of the last block do not reach the past', () => {
  const { value, grads } = tf.variableGrads(() => {
    let cache = createCache(config, 6);
    let x0: Tensor = tf.scalar(0);
    for (const index of [0, 1, 2]) {
      const result = denoise(latents(`noise${index}`, [1, 1, 4, 4, 6], 2), cache, [1000], () => x0);
      cache = result.cache;
      x0 = result.x0;
    }
    return tf.mean(tf.square(x0)).asScalar();
  });
  const norm = Math.sqrt(Object.values(grads).reduce((sum, grad) => sum + tf.sum(tf.square(grad)).dataSync()[0]!, 0));
  expect(value.dataSync()[0]).toBeCloseTo(1.604921, 5);
  expect(norm).toBeCloseTo(7.4403, 4);
});

test('one timestep for all, for each sample and for each frame agree', () => {
  const x = video();
  const forms = [500, [500], [[500, 500, 500]], tf.tensor1d([500]), tf.fill([1, 3], 500)];
  const outs = forms.map((t) => wanForward({ weights, config }, { x, t, context }).dataSync());
  for (const out of outs) expect(out).toBeAllClose(outs[0]!, { atol: 1e-5 });
});

test('samples of a batch do not see each other', () => {
  const [a, b] = [video(), latents('y', [1, 4, 3, 4, 6])];
  const texts = [context, tf.neg(context)];
  const both = wanForward({ weights, config }, { x: tf.concat([a, b]), t: [900, 100], context: tf.concat(texts) });
  const alone = [a, b].map((x, i) => wanForward({ weights, config }, { x, t: [900, 100][i]!, context: texts[i]! }));
  expect(both.dataSync()).toBeAllClose(tf.concat(alone).dataSync(), { atol: 1e-5 });
});

test('padding of text counts, padding of tokens does not', () => {
  const plain = wanForward({ weights, config }, { x: video(), t: 500, context }).dataSync();
  const wide = wanForward({ weights, config }, { x: video(), t: 500, context }, { seqLen: 23 }).dataSync();
  expect(wide).toBeAllClose(plain, { atol: 1e-5 });
  const zeros = tf.pad(context, [
    [0, 0],
    [0, 1],
    [0, 0],
  ]);
  expect(wanForward({ weights, config }, { x: video(), t: 500, context: zeros }).dataSync()).toBeAllClose(plain, {
    atol: 0,
  });
});

test('wrong inputs are named', () => {
  const x = video();
  expect(() => wanForward({ weights, config }, { x: tf.zeros([1, 3, 3, 6, 4]), t: 1, context })).toThrow(
    'x: wanted latents [B, F, H, W, 4] with F, H, W multiples of [1,2,2], received [1,3,3,6,4]',
  );
  expect(() => wanForward({ weights, config }, { x, t: [1, 2], context })).toThrow('with B 1 and F 3, received [2, 1]');
  expect(() => wanForward({ weights, config }, { x, t: 1, context: tf.zeros([1, 7, 24]) })).toThrow('L <= 6');
  expect(() => wanForward({ weights, config }, { x, t: 1, context }, { seqLen: 4 })).toThrow('at least 18 tokens');
  expect(() =>
    wanCachedForward({ weights, config }, { x, t: 1, context }, createCache(config, 6), { startFrame: 1 }),
  ).toThrow('pass the blocks in order');
  const text = { layers: [] };
  expect(() => wanForward({ weights, config }, { x, t: 1, context: text })).toThrow('a text for each of 1 samples');
  expect(() => wanForward({ weights, config }, { x: tf.concat([x, x]), t: 1, context })).toThrow(
    'of 2 samples, received 1',
  );
  const cleanX = frame(x, 0);
  expect(() => wanTeacherForcing({ weights, config }, { x, t: 1, context, cleanX })).toThrow(
    'cleanX: wanted the shape of x',
  );
  const independent = { ...config, independent_first_frame: true };
  expect(() => wanTeacherForcing({ weights, config: independent }, { x, t: 1, context, cleanX: x })).toThrow(
    'independent_first_frame',
  );
});

test('passes leave nothing behind', () => {
  const [x, before] = [video(), tf.memory().numTensors];
  wanForward({ weights, config }, { x, t: 1, context }).dispose();
  wanCausalForward({ weights, config }, { x, t: 1, context }).dispose();
  const { velocity, cache } = wanCachedForward(
    { weights, config },
    { x: frame(x, 0), t: 1, context },
    createCache(config, 6),
  );
  expect(tf.memory().numTensors).toBe(before + 2 + 2 * config.num_layers);
  tf.dispose([velocity, ...cache.layers.flatMap(({ k, v }) => [k, v])]);
});
