/** Single operations for `bench engine`, on whatever engine is in use. */
import * as engine from '../../src/engine/index.ts';
import { type Tensor, tf } from '../../src/engine/tf.ts';
import { random } from '../../src/nn/index.ts';
import type { Operation } from './cases.ts';

/** A case made ready: run it as often as you like, then give it back. */
export interface Running {
  step(): Promise<void>;
  /** Number of weights, 0 for operations. */
  readonly parameters: number;
  dispose(): void;
}

type Compute = (...inputs: Tensor[]) => Tensor;

interface Made {
  readonly shapes: readonly number[][];
  readonly compute: Compute;
  readonly backward?: boolean;
}

function made(given: Operation): Made {
  switch (given.kind) {
    case 'matmul': {
      const { rows, inner, columns } = given;
      const shapes = [
        [rows, inner],
        [inner, columns],
      ];
      return { shapes, compute: (a, b) => tf.matMul(a as never, b as never) };
    }
    case 'attention': {
      const { batch, tokens, heads, width, backward } = given;
      const shape = [batch, tokens, heads, width];
      return { shapes: [shape, shape, shape], compute: (q, k, v) => engine.attention(q!, k!, v!), backward };
    }
    case 'normalisation':
      return normalisation(given);
    case 'mlp':
      return mlp(given);
    case 'conv2d': {
      const [b = 0, h = 0, w = 0, into = 0, out = 0] = given.shape;
      const compute: Compute = (x, weight, bias) => engine.conv2d(x!, weight!, bias!, { padding: 1 });
      return { shapes: [[b, h, w, into], [out, into, 3, 3], [out]], compute, backward: given.backward };
    }
    case 'conv3d':
      return conv3d(given);
    case 'small':
      return { shapes: [[given.size]], compute: (x) => chain(x!, given.count) };
  }
}

function normalisation({ norm, rows, width, backward }: Extract<Operation, { kind: 'normalisation' }>): Made {
  const data = [rows, width];
  if (norm === 'rms') return { shapes: [data, [width]], compute: (x, w) => engine.rmsNorm(x!, w!), backward };
  return { shapes: [data, [width], [width]], compute: (x, w, b) => engine.layerNorm(x!, w!, b!), backward };
}

function mlp({ rows, width, hidden, backward }: Extract<Operation, { kind: 'mlp' }>): Made {
  const shapes = [[rows, width], [hidden, width], [hidden], [width, hidden], [width]];
  const compute: Compute = (x, up, a, down, b) =>
    engine.linear(engine.gelu(engine.linear(x!, up!, a!), 'tanh'), down!, b!);
  return { shapes, compute, backward };
}

function conv3d({ shape, backward }: Extract<Operation, { kind: 'conv3d' }>): Made {
  const [b = 0, f = 0, h = 0, w = 0, into = 0, out = 0] = shape;
  const side: [number, number] = [1, 1];
  const compute: Compute = (x, weight, bias) => engine.conv3d(x!, weight!, bias!, { padding: [[2, 0], side, side] });
  return { shapes: [[b, f, h, w, into], [out, into, 3, 3, 3], [out]], compute, backward };
}

function chain(x: Tensor, count: number): Tensor {
  let y = x;
  for (let i = 0; i < count; i++) y = tf.add(tf.tanh(y), x);
  return y;
}

/** Compiled where the engine can. */
function compiled(compute: (...inputs: Tensor[]) => Tensor[]): { run: typeof compute; dispose(): void } {
  if (engine.current() === null) return { run: (...x) => tf.tidy(() => compute(...x)), dispose: () => undefined };
  const run = engine.compile(compute);
  return { run, dispose: () => run.dispose() };
}

/** An operation on random data. */
export function startOperation(given: Operation): Running {
  const { shapes, compute, backward } = made(given);
  const normal = (shape: number[], i: number): Tensor => tf.tensor(random.key(i).normal(shape).data, shape);
  const inputs = shapes.map(normal);
  const result = tf.tidy(() => compute(...inputs).shape);
  if (backward) inputs.push(normal(result, inputs.length));
  const { run, dispose } = compiled((...x) => {
    if (!backward) return [compute(...x)];
    return tf.grads(compute)(x.slice(0, -1), x.at(-1)!);
  });
  const step = async (): Promise<void> => {
    const results = run(...inputs);
    engine.flush();
    tf.dispose(results);
  };
  return {
    step,
    parameters: 0,
    dispose: () => {
      dispose();
      tf.dispose(inputs);
    },
  };
}
