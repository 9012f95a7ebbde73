/** `engine.profile` on each engine, as data, as a table and as a figure. */
import { beforeEach, describe, expect, test } from 'vitest';
import { jupyterDisplay } from '../../src/display/index.ts';
import * as engine from '../../src/engine/index.ts';
import { type Tensor2D, tf } from '../../src/engine/tf.ts';
import { profile as show } from '../../src/show/index.ts';
import { engines } from './engines.ts';
import { floats } from './inputs.ts';

function callsOf({ operations }: engine.Profile): Map<string, number> {
  return new Map(operations.map(({ operation, calls }) => [operation, calls]));
}

describe.each(engines)('%s', (name) => {
  beforeEach(async () => {
    await engine.use(name);
  });

  test('names operations and leaves nothing behind', () => {
    const x = floats([64, 64]) as Tensor2D;
    engine.flush();
    const { memoryBytes } = engine.report();
    const { numTensors } = tf.memory();
    const profile = engine.profile(() => {
      const y = tf.tanh(tf.matMul(x, x));
      tf.sum(y).dataSync();
      tf.max(y).dataSync();
    });
    const calls = callsOf(profile);
    expect(calls.get('Tanh')).toBe(1);
    expect([...calls.keys()].some((key) => /MatMul/.test(key))).toBe(true);
    const inside = profile.operations.reduce((sum, { ms }) => sum + ms, 0);
    expect(inside).toBeGreaterThan(0);
    expect(inside).toBeLessThan(1.5 * profile.wallMs);
    expect(profile.stacks.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(inside, 6);
    expect(engine.report().memoryBytes).toBe(memoryBytes);
    expect(tf.memory().numTensors).toBe(numTensors);
    // the kernels are themselves again
    expect(tf.tidy(() => tf.tanh(x).shape)).toEqual([64, 64]);
    x.dispose();
  });

  test('an error passes and the kernels are themselves again', () => {
    const fail = (): void => {
      throw new Error('mine');
    };
    const kernels = tf.getKernelsForBackend(tf.getBackend());
    expect(() => engine.profile(fail)).toThrow('mine');
    const after = tf.getKernelsForBackend(tf.getBackend());
    expect(new Set(after.map(({ kernelFunc }) => kernelFunc))).toEqual(
      new Set(kernels.map(({ kernelFunc }) => kernelFunc)),
    );
  });
});

test('onnx tells what a kernel is made of', async () => {
  await engine.use('onnx');
  const [x, w] = [floats([8, 16]), floats([4, 16])];
  const profile = engine.profile(() => engine.gelu(engine.linear(x, w, null), 'tanh').dataSync());
  const paths = profile.stacks.map(({ path }) => path.join(' > '));
  expect(paths).toEqual(expect.arrayContaining(['fused.linear > Gemm', 'fused.gelu > Gelu']));
  tf.dispose([x, w]);
});

describe('shown', () => {
  const stacks: engine.ProfileStack[] = [
    { path: ['fused.linear', 'Gemm'], calls: 3, ms: 6 },
    { path: ['fused.attention', 'MatMul'], calls: 2, ms: 2 },
    { path: ['fused.attention', 'Softmax'], calls: 1, ms: 1 },
  ];
  const measured: engine.Profile = { wallMs: 10, operations: [{ operation: 'Gemm', calls: 3, ms: 6 }], stacks };

  test('as a table in a notebook', async () => {
    await engine.use('cpu');
    const profile = engine.profile(() => tf.ones([2]).add(1).dataSync());
    const bundle = (profile as unknown as { [jupyterDisplay](): Record<string, string> })[jupyterDisplay]();
    expect(bundle['text/plain']).toMatch(/operation +calls +ms +share[\s\S]*Add +1/);
    expect(bundle['text/html']).toMatch(/<table>.*outside of operations/);
  });

  test('as a figure whose widths are shares of the time', async () => {
    const figure = show(measured, { title: 'a step', width: 1024 });
    expect(figure.toText()).toBe('a step: 10.0 ms: Gemm 6.0 ms');
    const svg = await figure.toHtml();
    const widths = [...svg.matchAll(/<title>([^:]+):[^<]*<\/title><rect x="([\d.]+)" y="\d+" width="([\d.]+)"/g)];
    const found = Object.fromEntries(widths.map(([, name, x, width]) => [name, [Number(x), Number(width)]]));
    expect(found['fused.linear']).toEqual([12, 599.3]);
    expect(found['Gemm']).toEqual([12, 599.3]);
    expect(found['fused.attention']).toEqual([612, 299.3]);
    expect(found['Softmax']).toEqual([812, 99.3]);
    const png = await figure.toPng();
    expect([...png.slice(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
  });
});
