import { expect, test } from 'vitest';
import { largestError } from './fixtures.ts';

test.each([
  ['the largest difference of all', [1, 2, 3], [1, 2.5, 3.25], 0.5],
  ['NaN before a small difference', [Number.NaN, 2], [1, 2.5], Number.NaN],
  ['NaN after a large difference', [1, Number.NaN], [9, 2], Number.NaN],
  ['NaN expected where a number came', [1], [Number.NaN], Number.NaN],
  ['NaN for a longer result', [1, 2], [1], Number.NaN],
  ['NaN for a shorter result', [1], [1, 2], Number.NaN],
  ['0 for equal infinities', [Number.POSITIVE_INFINITY], [Number.POSITIVE_INFINITY], 0],
  ['infinity for one infinity', [Number.POSITIVE_INFINITY], [1], Number.POSITIVE_INFINITY],
])('%s', (_, received, expected, error) => {
  expect(largestError(received, expected)).toBe(error);
});
