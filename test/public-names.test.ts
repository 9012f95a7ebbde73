import { expect, test } from 'vitest';
import * as library from '../src/index.ts';

/** The values that a user meets: a name that comes, goes or changes its place is a decision, and stands in the changelog. */
test('the public names are those of the list', () => {
  const namespaces = Object.entries(library)
    .filter(([name]) => name !== 'tf')
    .map(([name, space]) => [name, Object.keys(space).sort()] as const);
  expect(Object.fromEntries(namespaces)).toMatchSnapshot();
});
