import { elementCount } from '../io/internal.ts';

/** Shapes of weights by checkpoint key. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Number of elements of all weights together. */
export function parameterCount(shapes: Shapes): number {
  let count = 0;
  for (const shape of shapes.values()) count += elementCount(shape);
  return count;
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
  const missing = [...wanted.keys()].filter((name) => !received.has(name));
  const surplus = [...received.keys()].filter((name) => !wanted.has(name));
  const misshapen = [...wanted].filter(([name, shape]) => !sameShape(shape, received.get(name) ?? shape));
  const parts = [
    listed('missing', missing),
    listed('surplus', surplus),
    listed(
      'misshapen',
      misshapen.map(([name, shape]) => `${name} (received [${received.get(name)}], wanted [${shape}])`),
    ),
  ].filter((part) => part !== '');
  if (parts.length > 0) throw new Error(`${where} do not fit the model: ${parts.join('; ')}`);
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
