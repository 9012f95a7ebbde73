import { beforeAll, describe, expect, test } from 'vitest';
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf, type Variable } from '../../src/engine/tf.ts';
import { engines } from './engines.ts';
import { floats } from './inputs.ts';

/** What an engine that compiles must have done; the others run the function each time and say so. */
function expectStatus({ status }: { status(): engine.CompileStatus }, wanted: Partial<engine.CompileStatus>): void {
  if (engine.capabilities().compiles) expect(status()).toMatchObject(wanted);
  else expect(status()).toMatchObject({ replayed: 0, plans: 0, reason: expect.stringMatching(/does not compile/) });
}

/** Gradient descent with momentum on a small network, learning rate as a tensor. */
function makeStep(): { variables: Variable[]; step: (x: Tensor, rate: Tensor) => Tensor; dispose: () => void } {
  const variable = (make: () => Tensor, trainable = true): Variable => {
    const initial = make();
    const made = tf.variable(initial, trainable);
    initial.dispose();
    return made;
  };
  const w = variable(() => floats([8, 8], 5, 0.3));
  const b = variable(() => tf.zeros([8]));
  const momentum = [variable(() => tf.zeros([8, 8]), false), variable(() => tf.zeros([8]), false)];
  const loss = (x: Tensor): Tensor => tf.matMul(x, w).add(b).tanh().sub(x).square().mean();
  const step = (x: Tensor, rate: Tensor): Tensor => {
    const { value, grads } = tf.variableGrads(() => loss(x) as never, [w, b]);
    [w, b].forEach((weight, i) => {
      const m = momentum[i]!;
      m.assign(m.mul(0.9).add(grads[weight.name]!) as never);
      weight.assign(weight.sub(m.mul(rate)) as never);
    });
    return value;
  };
  const variables = [w, b, ...momentum];
  return { variables, step, dispose: () => tf.dispose(variables) };
}

function train(compiled: boolean, rates: number[]): { losses: number[]; weights: number[][] } {
  const { variables, step, dispose } = makeStep();
  const run = compiled ? engine.compile(step) : step;
  const losses = rates.map((rate, i) => tf.tidy(() => run(floats([4, 8], i % 3), tf.scalar(rate)).dataSync()[0]!));
  const weights = variables.map((variable) => Array.from(variable.dataSync()));
  if (compiled) {
    const made = run as engine.Compiled<[Tensor, Tensor], Tensor>;
    expectStatus(made, { recorded: 2, replayed: rates.length - 2, plans: 1, reason: null });
    made.dispose();
  }
  dispose();
  return { losses, weights };
}

describe.each(engines)('on %s', (name) => {
  beforeAll(async () => {
    await engine.use(name);
  });

  describe('replay', () => {
    test('gives the same bits as recording, with a learning rate that changes', () => {
      const rates = Array.from({ length: 30 }, (_, i) => 0.1 / (1 + i));
      const expected = train(false, rates);
      const actual = train(true, rates);
      expect(actual).toEqual(expected);
    });

    test('memory is flat over 300 steps and returns to its start', () => {
      engine.flush();
      const start = { bytes: engine.report().memoryBytes, tensors: tf.memory().numTensors };
      const buffers = tf.memory().numDataBuffers;
      const { step, dispose } = makeStep();
      const run = engine.compile(step);
      const once = (i: number): void => tf.tidy(() => void run(floats([4, 8], i), tf.scalar(0.01)).dataSync());
      for (let i = 0; i < 4; i++) once(i);
      const held = { bytes: engine.report().memoryBytes, tensors: tf.memory().numTensors };
      for (let i = 4; i < 300; i++) once(i);
      expect({ bytes: engine.report().memoryBytes, tensors: tf.memory().numTensors }).toEqual(held);
      run.dispose();
      dispose();
      engine.flush();
      expect({ bytes: engine.report().memoryBytes, tensors: tf.memory().numTensors }).toEqual(start);
      expect(tf.memory().numDataBuffers).toBe(buffers);
    });

    test('results may be nested, and tensors of any dtype', () => {
      const run = engine.compile((x: Tensor, options: { scale: Tensor; label: string }) => ({
        parts: tf.split(x.mul(options.scale), 2),
        positive: x.greater(0),
        best: x.argMax(),
        label: options.label,
      }));
      for (let i = 0; i < 5; i++) {
        tf.tidy(() => {
          const x = floats([4], i);
          const result = run(x, { scale: tf.scalar(i), label: 'same' });
          expect(result.label).toBe('same');
          expect([result.positive.dtype, result.best.dtype]).toEqual(['bool', 'int32']);
          expect(result.parts[1]!.dataSync()).toBeAllClose(
            Array.from(x.dataSync().slice(2), (v) => v * i),
            { atol: 1e-6 },
          );
          expect(Array.from(result.positive.dataSync())).toEqual(Array.from(x.dataSync(), (v) => Number(v > 0)));
        });
      }
      expectStatus(run, { replayed: 3 });
      run.dispose();
    });

    test('results may be arguments, variables, or the same tensor twice', () => {
      const counter = tf.variable(tf.scalar(0), false);
      const run = engine.compile((x: Tensor) => {
        const before = counter.clone();
        const next = counter.add(1);
        counter.assign(next as never);
        const y = x.add(counter);
        return { x, before, y, again: y.clone(), next };
      });
      for (let i = 0; i < 6; i++) {
        tf.tidy(() => {
          const x = floats([3], i);
          const { x: same, before, y, again, next } = run(x);
          expect(same).toBe(x);
          expect([before, next, counter].map((t) => t.dataSync()[0])).toEqual([i, i + 1, i + 1]);
          expect(Array.from(y.dataSync())).toEqual(Array.from(again.dataSync()));
          expect(y.dataSync()).toBeAllClose(
            Array.from(x.dataSync(), (v) => v + i + 1),
            { atol: 1e-6 },
          );
        });
      }
      if (engine.capabilities().compiles) expect(run.status().replayed).toBeGreaterThan(0);
      run.dispose();
      counter.dispose();
    });

    test('one plan for each kind of arguments', () => {
      const run = engine.compile((x: Tensor, power: number) => tf.pow(x, power).sum());
      for (let round = 0; round < 4; round++) {
        for (const shape of [[3], [2, 2]]) {
          for (const power of [2, 3]) {
            tf.tidy(() => {
              const x = floats(shape, round);
              const expected = x.dataSync<'float32'>().reduce((sum, v) => sum + v ** power, 0);
              expect(run(x, power).dataSync()[0]).toBeCloseTo(expected, 4);
            });
          }
        }
      }
      expectStatus(run, { plans: 4 });
      run.dispose();
    });

    test('a shared variable keeps its old data for those who hold it', () => {
      const v = tf.variable(tf.ones([2]), false);
      const run = engine.compile(() => {
        v.assign(v.mul(2) as never);
      });
      for (let i = 0; i < 4; i++) run();
      const held = v.clone();
      run();
      expect(Array.from(held.dataSync())).toEqual([16, 16]);
      expect(Array.from(v.dataSync())).toEqual([32, 32]);
      expectStatus(run, { replayed: 3 });
      run.dispose();
      tf.dispose([held, v]);
    });

    test('work pending on a variable sees its value before the replay', () => {
      const v = tf.variable(tf.ones([2]), false);
      const run = engine.compile(() => {
        v.assign(v.add(1) as never);
      });
      for (let i = 0; i < 3; i++) run();
      const pending = v.mul(10);
      run();
      expect(Array.from(pending.dataSync())).toEqual([40, 40]);
      run.dispose();
      tf.dispose([pending, v]);
    });
  });

  describe('what is not replayed stays right', () => {
    test('a number that changes', () => {
      let factor = 0;
      const run = engine.compile((x: Tensor) => x.mul(++factor).sum());
      const x = tf.ones([4]);
      const values = Array.from({ length: 6 }, () => tf.tidy(() => run(x).dataSync()[0]));
      expect(values).toEqual([4, 8, 12, 16, 20, 24]);
      expectStatus(run, { replayed: 0, plans: 0 });
      expectStatus(run, { reason: expect.stringMatching(/number/) });
      run.dispose();
      x.dispose();
    });

    test('an array that changes', () => {
      let seed = 0;
      const run = engine.compile((x: Tensor) => x.add(floats([4], ++seed)).sum());
      const x = tf.zeros([4]);
      for (let i = 1; i < 6; i++) {
        const expected = tf.tidy(() => floats([4], i).sum().dataSync()[0]!);
        expect(tf.tidy(() => run(x).dataSync()[0]!)).toBeCloseTo(expected, 5);
      }
      expectStatus(run, { replayed: 0 });
      run.dispose();
      x.dispose();
    });

    test('an array that stays the same is part of the plan', () => {
      const run = engine.compile((x: Tensor) => x.add(floats([4], 3)).sum());
      const x = tf.zeros([4]);
      const values = Array.from({ length: 5 }, () => tf.tidy(() => run(x).dataSync()[0]!));
      expect(new Set(values).size).toBe(1);
      expectStatus(run, { replayed: 3 });
      run.dispose();
      x.dispose();
    });

    test('a function that reads', () => {
      const run = engine.compile((x: Tensor) => x.mul(x.sum().dataSync()[0]!));
      for (let i = 0; i < 4; i++) {
        tf.tidy(() => {
          const x = floats([3], i);
          const sum = x.dataSync<'float32'>().reduce((a, b) => a + b, 0);
          expect(run(x).dataSync()).toBeAllClose(
            Array.from(x.dataSync(), (v) => v * sum),
            { atol: 1e-5 },
          );
        });
      }
      expectStatus(run, { reason: expect.stringMatching(/reads/) });
      run.dispose();
    });

    test('a function that keeps a tensor', () => {
      const kept: Tensor[] = [];
      const run = engine.compile((x: Tensor) => {
        kept.push(tf.keep(x.add(1)));
        return x.add(2);
      });
      for (let i = 0; i < 4; i++) tf.tidy(() => void run(floats([3], i)));
      expect(kept[3]!.dataSync()).toBeAllClose(
        Array.from(floats([3], 3).dataSync(), (v) => v + 1),
        { atol: 1e-6 },
      );
      expectStatus(run, { reason: expect.stringMatching(/keeps a tensor/) });
      run.dispose();
      tf.dispose(kept);
    });

    test('an outer tensor that is disposed of', () => {
      let table = floats([4], 1);
      const run = engine.compile((x: Tensor) => x.add(table));
      const x = tf.zeros([4]);
      for (let i = 0; i < 4; i++) tf.tidy(() => void run(x).dataSync());
      table.dispose();
      table = floats([4], 2);
      tf.tidy(() => void expect(run(x).dataSync()).toBeAllClose(table.dataSync(), { atol: 0 }));
      run.dispose();
      tf.dispose([x, table]);
    });

    test('an error inside a replay names the operation', () => {
      const run = engine.compile((table: Tensor, at: Tensor) => tf.gather(table, at as never));
      const table = floats([3, 2]);
      const call = (index: number): Float32Array =>
        tf.tidy(() => run(table, tf.tensor([index, 0], undefined, 'int32')).dataSync() as Float32Array);
      for (let i = 0; i < 3; i++) call(i);
      expectStatus(run, { replayed: 1 });
      expect(() => call(9)).toThrow(/Gather/);
      expect(call(1).length).toBe(4);
      run.dispose();
      table.dispose();
    });

    test('inside a gradient the function runs as it is', () => {
      const run = engine.compile((x: Tensor) => x.square().sum());
      for (let i = 0; i < 4; i++) tf.tidy(() => void run(floats([3], i)));
      tf.tidy(() => {
        const x = floats([3], 9);
        const gradient = tf.grad((t) => run(t))(x);
        expect(gradient.dataSync()).toBeAllClose(
          Array.from(x.dataSync(), (v) => 2 * v),
          { atol: 1e-6 },
        );
      });
      run.dispose();
    });
  });
});

test('a compiled function moves to another engine', async () => {
  const run = engine.compile((x: Tensor) => x.add(1));
  await engine.use('cpu');
  for (let i = 0; i < 3; i++) tf.tidy(() => void run(tf.scalar(i)));
  expect(run.status()).toMatchObject({ replayed: 0, recorded: 3 });
  await engine.use('onnx');
  run.dispose();
});
