import { expect, test } from 'vitest';
import * as library from '../src/index.ts';

/** The values that a user meets: a name that comes, goes or changes its place is a decision, and stands in the changelog. */
test('the public names are those of the list', () => {
  const namespaces = Object.entries(library)
    .filter(([name]) => name !== 'tf')
    .map(([name, space]) => [name, namesOf(space)] as const);
  expect(Object.fromEntries(namespaces)).toMatchSnapshot();
});

/** Names in order, those of a namespace within one after it. */
function namesOf(space: object): string[] {
  return Object.entries(space)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, value]) => {
      const isNamespace = Object.prototype.toString.call(value) === '[object Module]';
      return isNamespace ? [`${name}: ${namesOf(value as object).join(', ')}`] : [name];
    });
}
