import type { HostTensor } from '../io/index.ts';
import { elementCount } from '../io/internal.ts';
import type { Key } from './random.ts';

/** Draws the first values of one weight. */
export type Initializer = (key: Key, shape: readonly number[]) => HostTensor;

/** Inputs and outputs that meet in a weight [out, in, ...kernel]; a bias counts as one of each. */
export function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const [out = 1, into = 1, ...kernel] = shape;
  const field = kernel.reduce((product, extent) => product * extent, 1);
  return { fanIn: into * field, fanOut: out * field };
}

/** Uniform in +-sqrt(6 / (fan in + fan out)) (Glorot and Bengio 2010, equation 16). */
export const xavierUniform: Initializer = (key, shape) => {
  const { fanIn, fanOut } = fans(shape);
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return key.uniform(shape, -bound, bound);
};

/** Normal of mean 0 and the given standard deviation. */
export function normal(std: number): Initializer {
  return (key, shape) => key.normal(shape, 0, std);
}

/** The same value everywhere. */
export function constant(value: number): Initializer {
  return (_, shape) => {
    const size = elementCount(shape);
    return { dtype: 'float32', shape: [...shape], data: new Float32Array(size).fill(value) };
  };
}
