import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import * as engine from '../../../src/engine/index.ts';
import { installCommands } from '../../../src/engine/tensorflow/install.ts';
import { findLibrary } from '../../../src/engine/tensorflow/library.ts';
import { type Tensor, type Tensor4D, tf } from '../../../src/engine/tf.ts';
import { floats } from '../inputs.ts';

const reason = engine.list().find(({ name }) => name === 'tensorflow')?.reason ?? null;

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('finding the library', () => {
  const empty = mkdtempSync(join(tmpdir(), 'no-tensorflow-'));

  test('a folder without it is named, with the files wanted and the command', () => {
    expect(() => findLibrary(empty)).toThrow(/the option library is .*no-tensorflow.*libtensorflow.*engine install/s);
  });

  test('TF_LIB_DIR is no hint but a demand', () => {
    vi.stubEnv('TF_LIB_DIR', empty);
    expect(() => findLibrary()).toThrow(/TF_LIB_DIR is .*no-tensorflow/);
    const entry = engine.list().find(({ name }) => name === 'tensorflow');
    expect(entry).toMatchObject({ available: false });
    expect(entry?.reason).toMatch(/TF_LIB_DIR/);
  });

  test('without any, the error lists the places and the command that installs it', () => {
    vi.stubEnv('TF_LIB_DIR', '');
    vi.stubEnv('PATH', empty);
    expect(() => findLibrary()).toThrow(/no libtensorflow.*\.venv-tensorflow.*python3.*engine install tensorflow/s);
  });

  test('it is installed by pip into a virtual environment of the project', () => {
    const [venv, pip] = installCommands({ gpu: true });
    expect(venv).toEqual(['python3', '-m', 'venv', '.venv-tensorflow']);
    expect(pip).toEqual(expect.arrayContaining(['install', 'tensorflow[and-cuda]']));
    expect(pip?.[0]).toBe('.venv-tensorflow/bin/python');
  });
});

describe.skipIf(reason !== null)(`on the library${reason === null ? '' : ` (skipped: ${reason})`}`, () => {
  beforeAll(async () => {
    await engine.use('tensorflow');
  });

  test('the report names device, version and JavaScript', () => {
    const { name, device, versions } = engine.report();
    expect(name).toBe('tensorflow');
    expect(device).toMatch(/^(cpu|gpu) \(/);
    expect(versions['tensorflow']).toMatch(/^\d+\.\d+/);
    expect(Object.keys(versions).join()).toContain('tfjs-node');
  });

  test('values and gradients agree with the cpu engine', async () => {
    const compute = (): Float32Array[] =>
      tf.tidy(() => {
        const [x, w] = [floats([2, 6, 6, 3], 1), floats([3, 3, 3, 4], 2)];
        const loss = (a: Tensor, b: Tensor): Tensor =>
          tf
            .conv2d(a as Tensor4D, b as Tensor4D, 2, 'same')
            .tanh()
            .sum();
        return tf
          .grads(loss)([x, w])
          .map((gradient) => gradient.dataSync() as Float32Array);
      });
    const ours = compute();
    await engine.use('cpu');
    const expected = compute();
    await engine.use('tensorflow');
    for (const [i, values] of ours.entries()) expect(values).toBeAllClose(expected[i]!, { atol: 1e-5 });
  });

  test('tensors of another engine move over', async () => {
    await engine.use('onnx');
    const x = floats([3, 5]);
    const y = x.mul(2);
    await engine.use('tensorflow');
    const z = y.add(1);
    expect(z.dataSync()).toBeAllClose(
      Array.from(floats([3, 5]).dataSync(), (v) => 2 * v + 1),
      { atol: 1e-6 },
    );
  });

  test('int32 is rounded to itself, strings travel, and a missing kernel runs on the cpu backend, counted', () => {
    expect(Array.from(tf.tensor1d([3, -4], 'int32').round().dataSync())).toEqual([3, -4]);
    expect(tf.tensor1d(['a', 'äö']).dataSync()).toEqual(['a', 'äö']);
    const before = Object.values(engine.report().fallbacks).reduce((a, b) => a + b, 0);
    tf.sign(tf.tensor1d([-2, Number.NaN, 3])).dataSync();
    expect(Object.values(engine.report().fallbacks).reduce((a, b) => a + b, 0)).toBe(before + 1);
  });

  test('nothing leaks', () => {
    const binding = (tf.backend() as unknown as { binding: { getNumOfTensors(): number } }).binding;
    const round = (): void =>
      tf.tidy(
        () =>
          void tf
            .grad((x) => x.matMul(x as never).sum())(floats([4, 4]))
            .dataSync(),
      );
    round();
    const before = [binding.getNumOfTensors(), tf.memory().numTensors];
    for (let i = 0; i < 20; i++) round();
    expect([binding.getNumOfTensors(), tf.memory().numTensors]).toEqual(before);
  });

  test('another library in the same process is refused', async () => {
    await expect(engine.use('tensorflow', { library: '/elsewhere' })).rejects.toThrow(/since the first use/);
  });
});
