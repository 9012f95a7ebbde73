import { type Tensor, tf } from '../../src/engine/tf.ts';

/** Repeatable numbers in [-1, 1), different for each seed. */
export function numbers(count: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2147483648 - 1;
  });
}

const size = (shape: number[]): number => shape.reduce((a, b) => a * b, 1);

/** Floats in [-scale, scale). */
export function floats(shape: number[], seed = 1, scale = 2): Tensor {
  return tf.tensor(
    numbers(size(shape), seed).map((x) => x * scale),
    shape,
  );
}

/** Floats in [0.5, 2.5): safe for logarithms, roots and divisors. */
export function positives(shape: number[], seed = 1): Tensor {
  return tf.tensor(
    numbers(size(shape), seed).map((x) => 1.5 + x),
    shape,
  );
}

/** Integers in [low, high). */
export function integers(shape: number[], low: number, high: number, seed = 1): Tensor {
  const values = numbers(size(shape), seed).map((x) => Math.floor(low + ((x + 1) / 2) * (high - low)));
  return tf.tensor(values, shape, 'int32');
}

export function booleans(shape: number[], seed = 1): Tensor {
  return tf.tensor(
    Array.from(numbers(size(shape), seed), (x) => x > 0),
    shape,
    'bool',
  );
}
