/** Weights before there are any: their names and shapes, how two lists of them differ, and how first values are drawn. */
import type { HostTensor } from '../io/index.ts';
import { elementCount } from '../io/internal.ts';
import type { Key } from './random.ts';

/** Shapes of weights by checkpoint key. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Number of elements of all weights together. */
export function parameterCount(shapes: Shapes): number {
  let count = 0;
  for (const shape of shapes.values()) count += elementCount(shape);
  return count;
}

/** How two sets of weights differ; none where all three are empty. */
export interface ShapeDifferences {
  readonly missing: readonly string[];
  readonly surplus: readonly string[];
  readonly misshapen: readonly { name: string; received: readonly number[]; wanted: readonly number[] }[];
}

/** How what a file or a caller brings differs from what the model needs. */
export function shapeDifferences(received: Shapes, wanted: Shapes): ShapeDifferences {
  return {
    missing: [...wanted.keys()].filter((name) => !received.has(name)),
    surplus: [...received.keys()].filter((name) => !wanted.has(name)),
    misshapen: [...wanted].flatMap(([name, shape]) => {
      const found = received.get(name);
      return found === undefined || sameShape(found, shape) ? [] : [{ name, received: found, wanted: shape }];
    }),
  };
}

/**
 * Checks that what a file or a caller brings has the names and shapes that the model needs; `where` names its origin.
 *
 * @throws Error listing the missing, surplus and misshapen weights by their full names.
 */
export function checkShapes(received: Shapes, wanted: Shapes, where: string = 'weights'): void {
  const { missing, surplus, misshapen } = shapeDifferences(received, wanted);
  const shapes = misshapen.map((weight) => `${weight.name} (received [${weight.received}], wanted [${weight.wanted}])`);
  const found = [...listed('missing', missing), ...listed('surplus', surplus), ...listed('misshapen', shapes)];
  if (found.length > 0) throw new Error(`${where} do not fit the model: ${found.join('; ')}`);
}

/** Whether two shapes have the same extents. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** At most ten names: a wrong configuration would list hundreds. */
function listed(kind: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const more = names.length > 10 ? ` and ${names.length - 10} more` : '';
  return [`${names.length} ${kind}: ${names.slice(0, 10).join(', ')}${more}`];
}

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
    return { dtype: 'float32', shape: [...shape], data: new Float32Array(elementCount(shape)).fill(value) };
  };
}
