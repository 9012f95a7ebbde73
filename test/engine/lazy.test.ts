import { beforeAll, describe, expect, type TestContext, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, type Tensor1D, tf } from '../../src/engine/tf.ts';
import { engines } from './engines.ts';
import { floats } from './inputs.ts';

/** Skips a test of what only engines that run graphs put off. */
function needsGraphs({ skip }: TestContext): void {
  skip(engine.report().graphs === undefined, 'the engine computes at once');
}

describe.each(engines)('on %s', (name) => {
  beforeAll(async () => {
    await engine.use(name);
  });

  describe('lazy evaluation', () => {
    test('nothing runs before a value is read, and a value can be read twice', (context) => {
      needsGraphs(context);
      const runs = engine.report().graphs!.runs;
      const x = floats([4, 3]);
      const y = x.add(1).mul(2);
      expect(engine.report().graphs!.runs).toBe(runs);
      expect(engine.report().graphs!.pending).toBeGreaterThan(0);
      const first = y.dataSync();
      expect(engine.report().graphs!.runs).toBe(runs + 1);
      expect(Array.from(y.dataSync())).toEqual(Array.from(first));
      expect(engine.report().graphs!.runs).toBe(runs + 1);
      tf.dispose([x, y]);
    });

    test('inputs may be disposed of before the work runs', () => {
      const x = floats([8]);
      const expected = x.dataSync().map((v) => v * 3);
      const y = x.mul(3);
      x.dispose();
      const other = floats([8], 2);
      expect(y.dataSync()).toBeAllClose(expected, { atol: 1e-6 });
      tf.dispose([y, other]);
    });

    test('work whose result is disposed of is not done', (context) => {
      needsGraphs(context);
      engine.flush();
      const x = floats([5]);
      x.sin().dispose();
      const y = x.cos();
      const { pending } = engine.report().graphs!;
      expect(pending).toBe(2);
      y.dataSync();
      expect(engine.report().graphs!.pending).toBe(0);
      tf.dispose([x, y]);
    });

    test('the same structure is compiled once', (context) => {
      needsGraphs(context);
      const round = (seed: number): void => tf.tidy(() => void floats([6, 7], seed).square().sum(0).tanh().dataSync());
      round(1);
      const { compiles } = engine.report().graphs!;
      for (let seed = 2; seed < 12; seed++) round(seed);
      expect(engine.report().graphs!.compiles).toBe(compiles);
    });

    test('a number that changes costs one more compile, then none', (context) => {
      needsGraphs(context);
      const x = floats([3, 9]);
      const values: number[] = [];
      const before = engine.report().graphs!.compiles;
      for (let i = 0; i < 8; i++)
        values.push(
          tf.tidy(
            () =>
              x
                .mul(i + 0.5)
                .sum()
                .dataSync()[0]!,
          ),
        );
      expect(engine.report().graphs!.compiles).toBe(before + 2);
      const sum = x.dataSync<'float32'>().reduce((a, b) => a + b, 0);
      expect(values).toBeAllClose(
        values.map((_, i) => sum * (i + 0.5)),
        { atol: 1e-4 },
      );
      x.dispose();
    });

    test('flush ends pending work', (context) => {
      needsGraphs(context);
      const y = floats([4]).add(1);
      engine.flush();
      expect(engine.report().graphs!.pending).toBe(0);
      y.dispose();
    });
  });

  describe('failures', () => {
    const outside = (): Tensor => tf.tensor([7], undefined, 'int32');

    test('wrong shapes throw at the call', () => {
      expect(() => tf.matMul(tf.zeros([2, 3]), tf.zeros([4, 5]))).toThrow(/inner|Matrix size-incompatible/i);
      expect(() => tf.add(tf.zeros([2, 3]), tf.zeros([4, 3]))).toThrow(/2,3.*4,3/);
      expect(() => tf.zeros([2, 3]).reshape([5])).toThrow(/match/);
      expect(() => tf.concat([tf.zeros([2, 3]), tf.zeros([2, 4])], 0)).toThrow();
    });

    test('only the failing operation and what depends on it throw, naming the kernel and the calling line', (context) => {
      needsGraphs(context);
      tf.tidy(() => {
        const healthy = tf.ones([2]).add(1);
        const broken = tf.gather(tf.ones([3, 2]), outside());
        const dependent = broken.mul(2);
        const later = tf.ones([2]).mul(healthy);
        expect(Array.from(healthy.dataSync())).toEqual([2, 2]);
        expect(() => broken.dataSync()).toThrow(/GatherV2.*float32\[3,2\].*lazy\.test\.ts:\d+/s);
        expect(() => dependent.dataSync()).toThrow(/GatherV2/);
        expect(Array.from(later.dataSync())).toEqual([2, 2]);
        expect(() => broken.add(1).dataSync()).toThrow(/GatherV2/);
      });
    });

    test('work after a failure runs, and failures leave no memory behind', () => {
      const bytes = engine.report().memoryBytes;
      const tensors = tf.memory().numTensors;
      for (let i = 0; i < 3; i++) {
        tf.tidy(() => {
          const table = floats([3, 2]);
          const kept = table.sin();
          expect(() => tf.gather(table, outside()).dataSync()).toThrow(/Gather/);
          expect(kept.dataSync().length).toBe(6);
        });
      }
      engine.flush();
      expect(engine.report().memoryBytes).toBe(bytes);
      expect(tf.memory().numTensors).toBe(tensors);
    });
  });

  describe('memory', () => {
    test('300 steps of training leave nothing behind and stay flat', () => {
      const w = tf.variable(floats([32, 32], 3, 0.1));
      const optimizer = tf.train.adam(0.01);
      const step = (seed: number): number =>
        tf.tidy(() => {
          const x = floats([16, 32], seed);
          return optimizer.minimize(() => tf.matMul(x, w).tanh().sub(x).square().mean(), true)!.dataSync()[0]!;
        });
      const losses = [step(0), step(1)];
      const bytes = engine.report().memoryBytes;
      const { numTensors, numDataBuffers } = tf.memory();
      for (let i = 2; i < 300; i++) losses.push(step(i % 10));
      expect(losses.at(-1)!).toBeLessThan(losses[0]!);
      expect(engine.report().memoryBytes).toBe(bytes);
      expect(tf.memory().numTensors).toBe(numTensors);
      expect(tf.memory().numDataBuffers).toBe(numDataBuffers);
      w.dispose();
      optimizer.dispose();
    });

    test('the count of bytes returns to its start', () => {
      engine.flush();
      const bytes = engine.report().memoryBytes;
      const kept = tf.tidy(() => floats([100, 10]).add(1).cast('bool'));
      engine.flush();
      expect(engine.report().memoryBytes).toBe(bytes + 1000);
      kept.dispose();
      expect(engine.report().memoryBytes).toBe(bytes);
    });
  });
});

describe('choosing an engine', () => {
  beforeAll(async () => {
    await engine.use('onnx');
  });

  test('tensors move when the engine changes, both ways', async () => {
    const made = floats([2, 3]);
    const expected = Array.from(made.dataSync());
    await engine.use('cpu');
    expect(engine.current()).toBe('cpu');
    const onCpu = made.add(1);
    const alias = onCpu.reshape([3, 2]);
    await engine.use('onnx');
    const back = onCpu.sub(1).reshape([2, 3]);
    expect(back.dataSync()).toBeAllClose(expected, { atol: 1e-6 });
    expect(alias.transpose().shape).toEqual([2, 3]);
    expect(alias.sub(1).dataSync()).toBeAllClose(expected, { atol: 1e-6 });
    expect(made.mul(1).dataSync()).toBeAllClose(expected, { atol: 0 });
    tf.dispose([made, onCpu, alias, back]);
  });

  test('unknown names and changed threads say what to do', async () => {
    await expect(engine.use('gpu' as never)).rejects.toThrow(/unknown engine 'gpu'.*onnx, xla, tensorflow, cpu, auto/);
    const { threads } = engine.report();
    await expect(engine.use('onnx', { threads: threads + 1 })).rejects.toThrow(/new process/);
    expect(engine.current()).toBe('onnx');
  });

  test('options that an engine does not take are refused by name, with those that it takes', async () => {
    const foreign = { library: '/somewhere' } as object;
    await expect(engine.use('onnx', foreign)).rejects.toThrow(
      "engine.use('onnx'): wanted options out of threads, spin, maxPending, maxSessions, check, received library",
    );
    await expect(engine.use('cpu', { threads: 2 } as object)).rejects.toThrow(
      "engine.use('cpu'): wanted options out of check, received threads: 2",
    );
    await expect(engine.use('auto', { treads: 2 } as object)).rejects.toThrow(/wanted options out of.*received treads/);
    expect(engine.current()).toBe('onnx');
  });

  test.each([
    [{ threads: 0 }, /threads to be a whole number from 1 to 1024, received threads: 0/],
    [{ threads: 1.5 }, /threads to be a whole number/],
    [{ spin: 'no' }, /spin to be true or false, received spin: "no"/],
    [{ maxPending: -1 }, /maxPending to be a whole number/],
    [{ check: 'infinite' }, /check: 'finite', received check: "infinite"/],
  ])('the value of %j is refused', async (options, message) => {
    await expect(engine.use('onnx', options as object)).rejects.toThrow(message);
  });

  test('an option that is the same as at the first use is no change, another one is', async () => {
    const { threads } = engine.report();
    await expect(engine.use('onnx', { threads, maxSessions: 256 })).resolves.toMatchObject({ threads });
    await expect(engine.use('onnx', { maxSessions: 8 })).rejects.toThrow(/received maxSessions: 8.* uses 256 since/);
  });

  test('capabilities are those of the engine in use', async () => {
    expect(engine.capabilities()).toMatchObject({ device: 'cpu', copiesUploads: true, compiles: true });
    await engine.use('cpu');
    expect(engine.capabilities()).toMatchObject({ device: 'cpu', copiesUploads: false, compiles: false });
    expect(engine.report().graphs).toBeUndefined();
    await engine.use('onnx');
  });

  test('auto follows REWARD_FORCING_ENGINE', async () => {
    const before = process.env['REWARD_FORCING_ENGINE'];
    try {
      process.env['REWARD_FORCING_ENGINE'] = 'cpu';
      expect((await engine.use('auto')).name).toBe('cpu');
      process.env['REWARD_FORCING_ENGINE'] = 'fpga';
      await expect(engine.use('auto')).rejects.toThrow(/REWARD_FORCING_ENGINE.*fpga/);
    } finally {
      if (before === undefined) delete process.env['REWARD_FORCING_ENGINE'];
      else process.env['REWARD_FORCING_ENGINE'] = before;
      await engine.use('onnx');
    }
  });

  test('a kernel that the engine lacks runs on cpu, is right, and is named in the report', () => {
    const x = tf.tensor([1, 1, 2], undefined, 'int32');
    const counts = tf.bincount(x as Tensor1D, tf.ones([3]), 4);
    expect(Array.from(counts.dataSync())).toEqual([0, 2, 1, 0]);
    expect(engine.report().fallbacks['Bincount']).toBe(1);
    tf.dispose([x, counts]);
  });

  test('the report says what runs', () => {
    const report = engine.report();
    expect(report).toMatchObject({ name: 'onnx', precision: 'float32' });
    expect(report.versions['onnxruntime']).toMatch(/^1\./);
    expect(engine.list().map(({ name }) => name)).toContain('onnx');
  });
});
