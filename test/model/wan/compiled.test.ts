import { expect, test } from 'vitest';
import * as engine from '../../../src/engine/index.ts';
import { type Tensor, tf } from '../../../src/engine/tf.ts';
import {
  createCache,
  createCrossAttnCache,
  disposeCache,
  type KvCache,
  wan,
  wanCachedForward,
  wanCausalForward,
  wanPresets,
} from '../../../src/model/internal.ts';
import { random, toTensor, type Weights } from '../../../src/nn/index.ts';
import { normal } from '../../../src/nn/internal.ts';

const config = wanPresets.tiny;
const key = random.key(11);
const draw = (name: string, shape: number[]): Tensor => toTensor(key.stream(name).normal(shape));

/** Fresh weights with a last layer that is not zero. */
function lively(): Weights {
  const { weights } = wan.init(config, key);
  const last = weights.variable('head.head.weight');
  tf.tidy(() => last.assign(toTensor(normal(0.1)(key.stream('head'), last.shape))));
  return weights;
}

test('a compiled training step replays with new noise and new timesteps', async () => {
  await engine.use('onnx');
  const weights = lively();
  const context = draw('context', [2, 4, config.text_dim]);
  const loss = (x: Tensor, t: Tensor): Tensor[] => {
    const { value, grads } = tf.variableGrads(() =>
      tf.mean(tf.square(wanCausalForward({ weights, config }, { x, t, context }))).asScalar(),
    );
    return [value, grads[weights.variable('time_embedding.0.weight').name]!];
  };
  const compiled = engine.compile(loss);
  for (let step = 0; step < 4; step++) {
    const x = draw(`x${step}`, [2, 3, 4, 4, config.in_dim]);
    const t = toTensor(key.stream(`t${step}`).uniform([2, 3], 0, 1000));
    const [replayed, recorded] = [compiled(x, t), tf.tidy(() => loss(x, t))];
    for (const [i, tensor] of recorded.entries()) {
      expect(await replayed[i]!.data()).toBeAllClose(await tensor.data(), { atol: 1e-7, rtol: 1e-5 });
    }
    tf.dispose([x, t, replayed, recorded]);
  }
  expect(compiled.status()).toMatchObject({ replayed: 2, plans: 1, reason: null });
  expect(engine.report().fallbacks).toEqual({});
  compiled.dispose();
  context.dispose();
  weights.dispose();
});

test('compiled cached passes replay, one plan for each place in the video', async () => {
  await engine.use('onnx');
  const weights = lively();
  const context = draw('context', [1, 4, config.text_dim]);
  const text = createCrossAttnCache({ weights, config }, context);
  const pass = (x: Tensor, t: Tensor, past: KvCache) => {
    const { velocity, cache } = wanCachedForward({ weights, config }, { x, t, context: text }, past);
    return { velocity, layers: cache.layers.map(({ k, v }) => [k, v]) };
  };
  const compiled = engine.compile(pass);
  for (let round = 0; round < 3; round++) {
    let past = createCache(config, 4);
    for (let block = 0; block < 3; block++) {
      const [x, t] = [draw(`${round} ${block}`, [1, 1, 4, 4, config.in_dim]), tf.tensor1d([100 * round + block])];
      const fast = compiled(x, t, past);
      const { velocity, cache } = wanCachedForward({ weights, config }, { x, t, context: text }, past);
      expect(await fast.velocity.data()).toBeAllClose(await velocity.data(), { atol: 1e-5 });
      tf.dispose([x, t, velocity, fast.velocity, ...fast.layers.flat()]);
      disposeCache(past);
      past = cache;
    }
    disposeCache(past);
  }
  expect(compiled.status()).toMatchObject({ replayed: 3, plans: 3 });
  compiled.dispose();
  disposeCache(text);
  context.dispose();
  weights.dispose();
});
