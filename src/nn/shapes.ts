import { elementCount } from '../io/internal.ts';

/** Shapes of weights by checkpoint key. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Number of elements of all weights together. */
export function parameterCount(shapes: Shapes): number {
  let count = 0;
  for (const shape of shapes.values()) count += elementCount(shape);
  return count;
}

/** A weight whose shape is not the model's. */
export interface MisshapenWeight {
  readonly name: string;
  readonly received: readonly number[];
  readonly wanted: readonly number[];
}

/** How two sets of weights differ; none where all three are empty. */
export interface ShapeDifferences {
  readonly missing: readonly string[];
  readonly surplus: readonly string[];
  readonly misshapen: readonly MisshapenWeight[];
}

/** How what a file or a caller brings differs from what the model needs. */
export function shapeDifferences(received: Shapes, wanted: Shapes): ShapeDifferences {
  const misshapen = [...wanted].flatMap(([name, shape]) => {
    const found = received.get(name);
    return found === undefined || sameShape(found, shape) ? [] : [{ name, received: found, wanted: shape }];
  });
  return {
    missing: [...wanted.keys()].filter((name) => !received.has(name)),
    surplus: [...received.keys()].filter((name) => !wanted.has(name)),
    misshapen,
  };
}

/**
 * Checks that two sets of weights have the same names and shapes.
 *
 * @param received what a file or a caller brings
 * @param wanted what the model needs
 * @param where names the origin in the message
 * @throws Error listing the missing, surplus and misshapen weights by their full names.
 */
export function checkShapes(received: Shapes, wanted: Shapes, where: string = 'weights'): void {
  const { missing, surplus, misshapen } = shapeDifferences(received, wanted);
  const shapes = misshapen.map((weight) => `${weight.name} (received [${weight.received}], wanted [${weight.wanted}])`);
  const parts = [listed('missing', missing), listed('surplus', surplus), listed('misshapen', shapes)];
  const found = parts.filter((part) => part !== '');
  if (found.length > 0) throw new Error(`${where} do not fit the model: ${found.join('; ')}`);
}

/** Whether two shapes have the same extents. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** At most ten names: a wrong configuration would list hundreds. */
function listed(kind: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  const more = names.length > 10 ? ` and ${names.length - 10} more` : '';
  return `${names.length} ${kind}: ${names.slice(0, 10).join(', ')}${more}`;
}
