/** Declarations of ECMAScript 2023 that came to TypeScript after 5.0: change of arrays by copy. */

const ITEMS = ['Array<T>', 'ReadonlyArray<T>'].map(
  (name) => `interface ${name} {
  /** A copy with the items in reverse order. */
  toReversed(): T[];
  /** A copy with the items in order; by default as text. */
  toSorted(compareFn?: (a: T, b: T) => number): T[];
  /** A copy in which, from \`start\` on, \`deleteCount\` items are replaced by others. */
  toSpliced(start: number, deleteCount: number, ...items: T[]): T[];
  toSpliced(start: number, deleteCount?: number): T[];
  /** A copy with another item at \`index\`, which counts from the end if it is negative. */
  with(index: number, value: T): T[];
}`,
);

const SIZES = ['Int8', 'Uint8', 'Uint8Clamped', 'Int16', 'Uint16', 'Int32', 'Uint32', 'Float32', 'Float64'];
const typed = (name: string, item: string): string => `interface ${name}Array {
  /** A copy with the items in reverse order. */
  toReversed(): ${name}Array;
  /** A copy with the items in order, by default of their size. */
  toSorted(compareFn?: (a: ${item}, b: ${item}) => number): ${name}Array;
  /** A copy with another item at \`index\`, which counts from the end if it is negative. */
  with(index: number, value: ${item}): ${name}Array;
}`;

/** Text of a declaration file. */
export const ES2023: string = [
  ...ITEMS,
  ...SIZES.map((name) => typed(name, 'number')),
  ...['BigInt64', 'BigUint64'].map((name) => typed(name, 'bigint')),
].join('\n');
