/** A training step of fused operations gives the same numbers recorded and replayed, on other data each time. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { adamwStep } from '../../src/engine/ops/index.ts';
import { type Tensor, tf, type Variable } from '../../src/engine/tf.ts';
import { random } from './by-hand.ts';

beforeAll(() => engine.use('onnx'));
afterAll(() => engine.use('cpu'));

interface State {
  params: Variable[];
  m: Variable[];
  v: Variable[];
}

function start(): State {
  const params = [[8, 4], [8], [6, 8]].map((shape, i) => tf.variable(random(shape, i + 1)));
  const zeros = (): Variable[] => params.map((p) => tf.variable(tf.zerosLike(p)));
  return { params, m: zeros(), v: zeros() };
}

/** One step of a two-layer network on x [B, 4] and labels [B]; returns the loss. */
function trainingStep({ params, m, v }: State): (count: Tensor, lr: Tensor, x: Tensor, labels: Tensor) => Tensor {
  return (step, lr, x, labels) => {
    const loss = () => {
      const [w1, b1, w2] = params as [Variable, Variable, Variable];
      const hidden = engine.gelu(engine.layerNorm(engine.linear(x, w1, b1), null, null, 1e-6), 'tanh');
      return engine
        .softmaxCrossEntropy(engine.linear(hidden, w2, null), labels)
        .mean()
        .asScalar();
    };
    const { value, grads } = tf.variableGrads(loss, params);
    const settings = { beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.1 };
    adamwStep({ params, grads: params.map((p) => grads[p.name]!), m, v, lr, step, ...settings });
    return value;
  };
}

/** Five steps on changing data with a changing rate: the losses, then the weights. */
function train(step: ReturnType<typeof trainingStep>, { params }: State): number[] {
  const losses = [1, 2, 3, 4, 5].map((count) => {
    const labels = tf.tensor([count % 6, 0, 5], [3], 'int32');
    const loss = step(tf.scalar(count), tf.scalar(0.01 * count), random([3, 4], 10 + count), labels);
    return loss.dataSync()[0]!;
  });
  return [...losses, ...params.flatMap((p) => Array.from(p.dataSync()))];
}

test('a replayed step is the recorded step, bit by bit', () => {
  const [one, other] = [start(), start()];
  const compiled = engine.compile(trainingStep(other));
  const recorded = train(trainingStep(one), one);
  expect(train(compiled, other)).toEqual(recorded);
  expect(compiled.status()).toMatchObject({ replayed: 3, recorded: 2, reason: null });
  expect(engine.report().fallbacks).toEqual({});
  compiled.dispose();
});
