/** Kernels of every engine against those of the cpu engine. */
import { expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { measured } from './engines.ts';
import { floats } from './inputs.ts';

/** A name and a computation; every engine must give the same shapes, dtypes and values. */
export type Row = [name: string, run: () => Tensor | Tensor[], tolerance?: number];

interface Held {
  shape: number[];
  dtype: string;
  values: number[];
}

async function compute(name: engine.EngineName, run: () => Tensor | Tensor[]): Promise<Held[]> {
  await engine.use(name);
  const result = tf.tidy(() => {
    const made = run();
    return Array.isArray(made) ? made : [made];
  });
  const held = result.map((t) => ({ shape: t.shape, dtype: t.dtype, values: Array.from(t.dataSync()) }));
  tf.dispose(result);
  return held;
}

function expectSame(actual: Held[], expected: Held[], tolerance: number): void {
  expect(actual.map(({ shape, dtype }) => [dtype, shape])).toEqual(expected.map(({ shape, dtype }) => [dtype, shape]));
  expected.forEach(({ values }, i) => {
    const finite = values.map((x) => (Number.isFinite(x) ? x : 0));
    const received = actual[i]!.values;
    expect(received.map((x) => Number.isFinite(x))).toEqual(values.map((x) => Number.isFinite(x)));
    expect(received.map((x) => (Number.isFinite(x) ? x : 0))).toBeAllClose(finite, {
      atol: tolerance,
      rtol: tolerance,
    });
  });
}

/** A test for each row and engine. An engine that compiles whole graphs must have all these kernels itself. */
export function agree(rows: Row[]): void {
  const each = measured.flatMap((name) => rows.map((row): [string, engine.EngineName, Row] => [row[0], name, row]));
  test.each(each)('%s on %s', async (_, name, [, run, tolerance = 2e-6]) => {
    const expected = await compute('cpu', run);
    const before = tf.memory().numTensors;
    const actual = await compute(name, run);
    expectSame(actual, expected, tolerance);
    expect(tf.memory().numTensors).toBe(before);
    if (engine.capabilities().compiles) expect(engine.report().fallbacks).toEqual({});
  });
}

/** The result of `f` and its gradients for a weighted sum of the result. */
export function withGradients(f: (...xs: Tensor[]) => Tensor, ...inputs: Tensor[]): Tensor[] {
  const y = f(...inputs);
  const weights = floats(y.shape, 99);
  const gradients = tf.grads((...xs: Tensor[]) =>
    f(...xs)
      .mul(weights)
      .sum(),
  );
  return [y, ...gradients(inputs)];
}
