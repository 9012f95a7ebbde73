/** The recorded graph is nobody's own: an interpreter of a few operators, in place of ONNX Runtime, runs it too. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type Executable,
  type GraphRuntime,
  type Operand,
  type Program,
  type ProgramNode,
  sizeOf,
  type TensorArray,
} from '../../src/engine/graph/index.ts';
import * as engine from '../../src/engine/index.ts';
import { startLazy } from '../../src/engine/lazy/start.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { floats } from './inputs.ts';

type Rule = (node: ProgramNode, inputs: readonly ArrayLike<number>[]) => TensorArray;

/** Element by element; the second operand may be one number. */
const elementwise =
  (f: (a: number, b: number) => number): Rule =>
  (_, [a, b]) =>
    Float32Array.from(a!, (x, i) => f(x, b![b!.length === 1 ? 0 : i]!));

const rules: Partial<Record<ProgramNode['operation']['name'], Rule>> = {
  Add: elementwise((a, b) => a + b),
  Mul: elementwise((a, b) => a * b),
  Sub: elementwise((a, b) => a - b),
  Reshape: (_, [x]) => Float32Array.from(x!),
  ReduceSum: (_, [x]) => Float32Array.of(Array.from(x!).reduce((sum, value) => sum + value, 0)),
  Expand: ({ outputs }, [x]) => new Float32Array(sizeOf(outputs[0]!.shape)).fill(x![0]!),
};

/** Data by pointer, programs run node by node. */
class Interpreter implements GraphRuntime {
  readonly name = 'interpreter';
  readonly channelBlock = 0;
  readonly data = new Map<number, TensorArray>();
  readonly programs: Program[] = [];
  #next = 1;

  compile(program: Program): Executable {
    this.programs.push(program);
    const slots = ({ slot }: { slot: number }): number => slot;
    const [entering, leaving] = [program.inputs.map(slots), program.outputs.map(slots)];
    const nodes = program.nodes.map((node) => ({
      node,
      rule: rules[node.operation.name]!,
      inputs: node.inputs.map(keyOf),
      outputs: node.outputs.map(slots),
    }));
    const constants = program.constants.map((constant) => [keyOf(constant), constant.data] as const);
    return {
      run: (inputs, outputs) => {
        const known = new Map<number | string, ArrayLike<number>>(constants);
        entering.forEach((slot, i) => {
          known.set(slot, this.data.get(inputs.get(i))!);
        });
        for (const { node, rule, inputs: from, outputs: to } of nodes) {
          known.set(
            to[0]!,
            rule(
              node,
              from.map((key) => known.get(key)!),
            ),
          );
        }
        leaving.forEach((slot, i) => {
          outputs.set(i, this.#put(known.get(slot) as TensorArray));
        });
      },
      release: () => undefined,
    };
  }

  #put(values: TensorArray): number {
    this.data.set(this.#next, values);
    return this.#next++;
  }

  createValue(_dtype: string, _shape: readonly number[], values: TensorArray): number {
    return this.#put(values.slice());
  }

  readValue(pointer: number): TensorArray {
    return this.data.get(pointer)!.slice();
  }

  releaseValue(pointer: number): void {
    this.data.delete(pointer);
  }
}

function keyOf(operand: Operand): number | string {
  if (operand.kind === 'value') return operand.slot;
  return operand.kind === 'constant' ? `c${operand.id}` : '';
}

describe('another engine on the recorded graph', () => {
  const runtime = new Interpreter();
  const parts = startLazy(runtime, {});

  beforeAll(async () => {
    await engine.use('cpu');
  });

  /** d/dx of the sum of (x y + 1)²: 2 (x y + 1) y. */
  const gradient = (x: Tensor, y: Tensor): Tensor => tf.grad((t) => t.mul(y).add(1).mul(t.mul(y).add(1)).sum())(x);

  test('computes, differentiates and replays what ours do', async () => {
    const expected = Array.from(tf.tidy(() => gradient(floats([2, 3], 1), floats([2, 3], 2)).dataSync()));
    await tf.setBackend(runtime.name);
    const run = parts.compile(gradient);
    for (let i = 0; i < 4; i++) {
      tf.tidy(() => {
        const [x, y] = [floats([2, 3], 1), floats([2, 3], 2)];
        expect(run(x, y).dataSync()).toBeAllClose(expected, { atol: 1e-6 });
      });
    }
    expect(run.status()).toMatchObject({ replayed: 2, reason: null });
    run.dispose();
    parts.flush();
    expect(runtime.data.size).toBe(0);
    expect(parts.fallbacks).toEqual({});
  });

  test('is told the type and shape of every value, and no node twice', () => {
    for (const { nodes } of runtime.programs) {
      for (const { outputs } of nodes)
        for (const { shape, dtype } of outputs) expect([dtype, sizeOf(shape) > 0]).toEqual(['float32', true]);
      const keys = nodes.map(({ operation, inputs }) => `${operation.id} ${inputs.map(keyOf)}`);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });

  test('a kernel of which it has no node runs on the cpu backend, counted', async () => {
    await tf.setBackend(runtime.name);
    const x = tf.tensor1d([1, 1, 2], 'int32');
    expect(Array.from(tf.tidy(() => tf.bincount(x, tf.ones([3]), 4).dataSync()))).toEqual([0, 2, 1, 0]);
    expect(parts.fallbacks['Bincount']).toBe(1);
    x.dispose();
  });
});

test('rooms of the engine import downwards: graph, lazy, then the engines', () => {
  const root = fileURLToPath(new URL('../../src/engine/', import.meta.url));
  const importsOf = (room: string): string[] =>
    readdirSync(`${root}${room}`, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => {
        const text = readFileSync(`${root}${room}/${file}`, 'utf8');
        const folder = new URL(`${room}/${file}`, 'file:///');
        return [...text.matchAll(/from '(\.[^']+)'/g)].map(([, to]) => new URL(to!, folder).pathname.split('/')[1]!);
      });
  expect(new Set(importsOf('graph'))).toEqual(new Set(['graph']));
  for (const above of ['onnx', 'xla', 'tensorflow', 'cpu', 'select.ts', 'index.ts']) {
    expect(importsOf('lazy')).not.toContain(above);
  }
  for (const one of ['onnx', 'xla', 'tensorflow', 'cpu']) {
    for (const other of ['onnx', 'xla', 'tensorflow', 'cpu', 'select.ts', 'index.ts']) {
      if (other !== one) expect(importsOf(one)).not.toContain(other);
    }
  }
});
