import { type Shapes, Weights } from '../../src/nn/index.ts';
import { hashed } from './hashed.ts';

/**
 * Weights that an original implementation can be filled with too: matrices and kernels of variance `gain`² over their
 * inputs, vectors that are gains around 1, the others small.
 */
export function hashedWeights(shapes: Shapes, gain: number = 1): Weights {
  return Weights.from(
    [...shapes].map(([name, shape]) => {
      const fan = shape.slice(1).reduce((product, extent) => product * extent, 1);
      const value = (x: number): number => {
        if (shape.length >= 2) return gain * Math.fround(Math.sqrt(3 / fan)) * x;
        return name.endsWith('weight') ? 1 + 0.1 * x : 0.1 * x;
      };
      return [name, { dtype: 'float32', shape: [...shape], data: hashed(name, shape).map(value) }];
    }),
  );
}
