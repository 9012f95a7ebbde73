/** Nothing piles up: tensors, engine memory, compiled graphs and the memory of the process, over long runs. */
import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { adamwStep } from '../../src/engine/ops/index.ts';
import { type Tensor, type Tensor2D, tf } from '../../src/engine/tf.ts';
import { engines } from './engines.ts';
import { floats } from './inputs.ts';

const maxSessions = 32;

/** Growth of the process that is put down to garbage not collected yet. */
const allowedMiB = 48;

interface Held {
  tensors: number;
  buffers: number;
  bytes: number;
}

function held(): Held {
  engine.flush();
  const { numTensors: tensors, numDataBuffers: buffers } = tf.memory();
  return { tensors, buffers, bytes: engine.report().memoryBytes };
}

/** Runs `round` often; what is held must not change, and the process must not grow after the first half. */
function expectFlat(rounds: number, round: (i: number) => void): void {
  const half = Math.floor(rounds / 2);
  round(0);
  const before = held();
  for (let i = 1; i < half; i++) round(i);
  const { rss } = process.memoryUsage();
  for (let i = half; i < rounds; i++) round(i);
  expect(held()).toEqual(before);
  expect((process.memoryUsage().rss - rss) / 2 ** 20).toBeLessThan(allowedMiB);
}

describe.each(engines)('on %s', (name) => {
  beforeAll(async () => {
    await engine.use(name, name === 'onnx' || name === 'xla' ? { maxSessions } : {});
  });

  test('1,000 steps of training', () => {
    const weight = tf.variable(floats([32, 32], 3, 0.1));
    const [m, v] = [tf.variable(tf.zerosLike(weight)), tf.variable(tf.zerosLike(weight))];
    const step = engine.compile((x: Tensor, count: Tensor, lr: Tensor): Tensor => {
      const loss = () => tf.mean(tf.square(tf.sub(engine.linear(x, weight, null), x))).asScalar();
      const { value, grads } = tf.variableGrads(loss, [weight]);
      const adamw = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.01 };
      adamwStep({ params: [weight], grads: [grads[weight.name]!], m: [m], v: [v], step: count, lr, ...adamw });
      return value;
    });
    const losses: number[] = [];
    expectFlat(1000, (i) => {
      const inputs = [floats([16, 32], i % 7), tf.scalar(i + 1), tf.scalar(0.01 / (1 + i / 100))] as const;
      const loss = step(...inputs);
      losses.push(loss.dataSync()[0]!);
      tf.dispose([loss, ...inputs]);
    });
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 4);
    if (engine.capabilities().compiles) expect(step.status().replayed).toBeGreaterThan(990);
    step.dispose();
    tf.dispose([weight, m, v]);
  });

  test('1,000 errors, of shapes at the call and of data at the read', () => {
    const x = floats([4, 3]);
    const bad = tf.tensor1d([9], 'int32');
    const step = engine.compile((a: Tensor): Tensor => tf.matMul(a as Tensor2D, a as Tensor2D));
    expectFlat(1000, (i) => {
      if (i % 2 === 0)
        expect(() => tf.tidy(() => tf.matMul(x as Tensor2D, x as Tensor2D))).toThrow(/3 and 4|incompatible/);
      else if (i % 10 === 1) expect(() => step(x)).toThrow(/3 and 4|incompatible/);
      else expect(() => tf.tidy(() => tf.gather(x, bad).add(1).dataSync())).toThrow(/out of|not in/);
    });
    step.dispose();
    tf.dispose([x, bad]);
  });

  test('200 shapes, twice: compiled graphs and plans are bounded', () => {
    const step = engine.compile((x: Tensor): Tensor => tf.tanh(x).mul(x).sum());
    expectFlat(400, (i) => {
      const x = floats([1 + (i % 200), 5], 1);
      const results = [step(x), tf.tidy(() => tf.exp(x).sum())];
      for (const result of results) expect(Number.isFinite(result.dataSync()[0])).toBe(true);
      tf.dispose([x, ...results]);
    });
    expect(engine.report().graphs?.kept ?? maxSessions).toBe(maxSessions);
    expect(step.status().plans).toBeLessThanOrEqual(64);
    step.dispose();
  });
});
