/** Runs operations with their gradients on two engines and compares them. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { random } from './by-hand.ts';

/** An operation on tensors of the given shapes. */
export interface Case {
  name: string;
  shapes: number[][];
  run: (...inputs: Tensor[]) => Tensor;
}

interface Evaluation {
  shape: number[];
  value: ArrayLike<number>;
  gradients: ArrayLike<number>[];
}

/** Value and gradients of Σ op · probe, read to the host. */
function evaluate({ shapes, run }: Case): Evaluation {
  return tf.tidy(() => {
    const inputs = shapes.map((shape, i) => random(shape, i + 1));
    const value = run(...inputs);
    const probe = random(value.shape, 77);
    const gradients = tf.grads((...t: Tensor[]) => tf.sum(tf.mul(run(...t), probe)))(inputs);
    return { shape: value.shape, value: value.dataSync(), gradients: gradients.map((t) => t.dataSync()) };
  });
}

/** One test for each case: onnx against cpu, no fallback, no tensor left. */
export function compareEngines(cases: readonly Case[]): void {
  const expected = new Map<string, Evaluation>();

  beforeAll(async () => {
    await engine.use('cpu');
    for (const one of cases) expected.set(one.name, evaluate(one));
    await engine.use('onnx');
  });
  afterAll(() => engine.use('cpu'));

  test.each(cases)('$name', (one) => {
    const wanted = expected.get(one.name)!;
    const tensors = tf.memory().numTensors;
    const received = evaluate(one);
    expect(received.shape).toEqual(wanted.shape);
    expect(received.value).toBeAllClose(wanted.value, { atol: 1e-5, rtol: 1e-5 });
    received.gradients.forEach((gradient, i) => {
      expect(gradient, `gradient ${i}`).toBeAllClose(wanted.gradients[i]!, { atol: 1e-5, rtol: 1e-5 });
    });
    expect(tf.memory().numTensors).toBe(tensors);
    expect(engine.report().fallbacks).toEqual({});
  });
}
