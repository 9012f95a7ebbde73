/** Names that every cell has without an import. */

/** How to get each value; asked when a cell first reads the name. */
export type BuiltIns = Record<string, () => unknown>;

/**
 * Puts the names behind tslab's object of all cells' declarations, as its prototype: a cell reads what is declared
 * there, or here otherwise. A declaration of the same name takes the place of the built-in one.
 */
export function provideBuiltIns(declarations: object, values: BuiltIns): void {
  const provided: object = {};
  for (const [name, get] of Object.entries(values)) {
    Object.defineProperty(provided, name, {
      get,
      set: (value: unknown) => Object.defineProperty(provided, name, { value, writable: true }),
      configurable: true,
    });
  }
  Object.setPrototypeOf(declarations, provided);
}
