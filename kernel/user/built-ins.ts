/** Names that every cell has without an import. */

/** How to get each value; asked when a cell first reads the name. */
export type BuiltIns = Record<string, () => unknown>;

/**
 * An object with the names, to be the prototype of all cells' declarations: a cell reads what is declared there, or
 * here otherwise. A declaration of the same name takes the place of the built-in one.
 */
export function provideBuiltIns(values: BuiltIns): object {
  const provided: object = {};
  for (const [name, get] of Object.entries(values)) {
    Object.defineProperty(provided, name, {
      get,
      set: (value: unknown) => Object.defineProperty(provided, name, { value, writable: true }),
      configurable: true,
    });
  }
  return provided;
}
