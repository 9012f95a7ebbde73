/** How claims of a world are judged by what was measured. */
import { expect, test } from 'vitest';
import { compareOutcomes, type Measures } from '../../src/study/index.ts';
import { differenceId, summarise } from '../../src/study/internal.ts';
import { judgeClaims } from '../../src/study/results/results.ts';
import type { Claim } from '../../src/world/index.ts';

const scores = (values: readonly number[]): Measures => ({ reward: values.map((value) => [value]) });
const measured = {
  'phase 1': scores([0, 2, 4, 6, 8, 10, 0, 2, 4, 6, 8, 10]),
  'phase 2': scores([5, 7, 9, 11, 13, 15, 5, 7, 9, 11, 13, 15]),
};
const found = {
  outcomes: Object.fromEntries(Object.entries(measured).map(([id, one]) => [id, summarise(one, 0)])),
  differences: {
    [differenceId('phase 2', 'phase 1')]: compareOutcomes(
      { measures: measured['phase 2'] },
      { measures: measured['phase 1'] },
      0,
    ),
  },
};
const judged = (claim: Omit<Claim, 'claim' | 'measure'>) =>
  judgeClaims({ claims: [{ claim: 'c', measure: 'reward', ...claim }] }, found, measured)[0]!;

test('by the whole interval, the estimate alone, or not at all', () => {
  expect(judged({ of: 'phase 1', atLeast: 2 }).verdict).toBe('shown');
  expect(judged({ of: 'phase 1', atLeast: 5 }).verdict).toBe('estimate only');
  expect(judged({ of: 'phase 1', atLeast: 9 }).verdict).toBe('not shown');
});

test('a difference can count in standard deviations of an outcome', () => {
  const gain = { of: 'phase 2', minus: 'phase 1' } as const;
  expect(judged({ ...gain, atLeast: 5 }).found.estimate).toBeCloseTo(5);
  const { estimate } = judged({ ...gain, atLeast: 1, inDeviationsOf: 'phase 1' }).found;
  expect(estimate).toBeCloseTo(5 / Math.sqrt(35 / 3));
  expect(judged({ ...gain, atLeast: 1.4, inDeviationsOf: 'phase 1' }).verdict).toBe('shown');
  expect(judged({ ...gain, atLeast: 1.5, inDeviationsOf: 'phase 1' }).verdict).toBe('not shown');
});

test('what was not measured is named', () => {
  expect(() => judged({ of: 'distilled', atLeast: 0 })).toThrow('there is no measure "reward" of "distilled"');
});
