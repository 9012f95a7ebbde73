import { type Architecture, type Net, type Shapes, Weights } from '../../src/nn/index.ts';
import { hashed, hashedWeight } from './hashed.ts';

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

/** Weights by the rules of their names (`hashedWeight`); norms of every spelling are near 1. */
export function weightsByName(shapes: Iterable<readonly [string, readonly number[]]>): Weights {
  return Weights.from(
    [...shapes].map(([name, shape]) => {
      const plain = name.replace(/LayerNorm|layernorm|ln_(?:pre|post|final|q|[12])/, 'norm');
      return [name, { dtype: 'float32', shape: [...shape], data: hashedWeight(plain, shape) }];
    }),
  );
}

/** A net with weights by the rules of their names. */
export function netByName<Config>(architecture: Architecture<Config>, config: Config): Net<Config> {
  return architecture.net(config, weightsByName(architecture.shapes(config)));
}
