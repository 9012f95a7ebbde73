/** What goes wrong says what was wrong and what helps. */
import { afterEach, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { openLibrary } from '../../src/engine/native.ts';
import { findRuntime } from '../../src/engine/onnx/library.ts';
import { checkVersion } from '../../src/engine/onnx/native.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';

describe('out of memory', () => {
  /** Four terabytes. */
  const tooMuch = (a: Tensor, b: Tensor): Tensor => tf.add(tf.reshape(a, [-1, 1]), b).max();

  test('names the operation, the amount and what helps; the next operation works', async () => {
    await engine.use('onnx');
    const [a, b] = [tf.zeros([100_000]), tf.zeros([10_000_000])];
    const said = /Add failed in Add\(float32\[100000,1\].*out of memory, 3814698 MiB were asked for.*smaller batches/;
    expect(() => tf.tidy(() => tooMuch(a, b).dataSync())).toThrow(said);
    const compiled = engine.compile(tooMuch);
    for (let i = 0; i < 3; i++) expect(() => tf.tidy(() => compiled(a, b).dataSync())).toThrow(said);
    expect(tf.tidy(() => a.add(1).max().dataSync()[0])).toBe(1);
    compiled.dispose();
    tf.dispose([a, b]);
  });
});

describe('the library', () => {
  const { platform, arch } = process;
  const pretend = (name: 'platform' | 'arch', value: string): void => {
    Object.defineProperty(process, name, { value, configurable: true });
  };

  afterEach(() => {
    pretend('platform', platform);
    pretend('arch', arch);
  });

  test('is missing for this processor', () => {
    pretend('arch', 'mips');
    expect(() => findRuntime()).toThrow(/no library for .* mips .* is missing.*npm install onnxruntime-node/s);
    expect(engine.list().find(({ name }) => name === 'onnx')).toMatchObject({ available: false });
  });

  test('does not exist for this system', () => {
    pretend('platform', 'aix');
    expect(() => findRuntime()).toThrow(/no ONNX Runtime for aix.*engine\.use\('cpu'\)/);
  });

  test('cannot be loaded', () => {
    expect(() => openLibrary('onnx', '/no/such/library.so', 'Run: npm install it')).toThrow(
      /engine onnx: cannot load \/no\/such\/library\.so.*Run: npm install it/,
    );
  });

  test('is too old', () => {
    expect(() => checkVersion('1.14.1', false)).toThrow(
      /ONNX Runtime 1\.14\.1 is too old, 1\.\d+ or newer.*npm install/,
    );
    expect(() => checkVersion('1.14.1', true)).toThrow(/too old/);
    expect(() => checkVersion('1.30.0', true)).not.toThrow();
  });
});

describe('types that no tensor of an engine has', () => {
  test.each(['float16', 'int64', 'bfloat16'])('%s is refused by its name', async (dtype) => {
    await engine.use('onnx');
    expect(() =>
      tf.tidy(() =>
        tf
          .ones([2])
          .cast(dtype as never)
          .dataSync(),
      ),
    ).toThrow(new RegExp(dtype));
    expect(() => tf.tidy(() => tf.tensor1d([1, 2], dtype as never).dataSync())).toThrow(new RegExp(dtype));
  });
});
