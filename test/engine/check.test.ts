import { afterAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';
import { engines } from './engines.ts';

afterAll(async () => {
  await engine.use('onnx');
});

describe.each(engines)('check finite on %s', (name) => {
  test('the first operation that makes a NaN is named, with shapes and place', async () => {
    await engine.use(name, { check: 'finite' });
    const work = (): void => tf.tidy(() => void tf.tensor1d([1, -1, 4]).sqrt().add(1).sum().dataSync());
    expect(work).toThrow(/Sqrt\(float32\[3\]\) made NaN at index 1/);
  });

  test('a NaN that was given passes, and so do finite results and constants that are infinite', async () => {
    await engine.use(name, { check: 'finite' });
    expect(tf.tidy(() => tf.tensor1d([Number.NaN, 1]).mul(2).dataSync()[1])).toBe(2);
    expect(tf.tidy(() => tf.fill([2], Number.POSITIVE_INFINITY).dataSync()[0])).toBe(Number.POSITIVE_INFINITY);
  });

  test('compiled functions are checked too', async () => {
    await engine.use(name);
    const inverse = engine.compile((x: ReturnType<typeof tf.tensor1d>) => tf.reciprocal(x));
    for (let i = 0; i < 3; i++) inverse(tf.tensor1d([1, 2])).dispose();
    await engine.use(name, { check: 'finite' });
    expect(() => inverse(tf.tensor1d([1, 0]))).toThrow(/Reciprocal.* made Infinity at index 1/);
    inverse.dispose();
  });

  test('the next use ends it', async () => {
    await engine.use(name, { check: 'finite' });
    await engine.use(name);
    expect(tf.tidy(() => tf.tensor1d([-1]).log().dataSync()[0])).toBeNaN();
  });
});

describe('what can be used', () => {
  test('each engine is available or says why not and what to run', () => {
    const entries = engine.list();
    expect(entries.map(({ name }) => name)).toEqual(['onnx', 'xla', 'tensorflow', 'cpu']);
    for (const { available, reason } of entries) {
      expect(available).toBe(reason === null);
      if (reason !== null) expect(reason).toMatch(/Run: |run: |Use /);
    }
  });

  test('an unknown engine is refused with the known ones', async () => {
    await expect(engine.use('cuda' as never)).rejects.toThrow(
      /unknown engine 'cuda'; use one of onnx, xla, tensorflow, cpu/,
    );
  });

  test('a dtype that is not held is refused by name', async () => {
    await engine.use('onnx');
    expect(() => tf.tensor1d([1, 2]).cast('float16' as never)).toThrow(/float16/);
  });
});
