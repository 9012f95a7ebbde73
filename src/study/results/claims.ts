import type { Interval } from '../../evaluate/index.ts';
import type { Claim, Difference, Summary } from './results.ts';

/** What the method is said to do, fixed before any result: an outcome or a difference, a measure, a bound. */
const CLAIMS: readonly Pick<Claim, 'claim' | 'source' | 'measure' | 'atLeast'>[] = [
  ...(
    [
      ['digit', 0.85],
      ['colour', 0.98],
      ['direction', 0.9],
      ['speed', 0.85],
    ] as const
  ).map(([measure, atLeast]) => ({
    claim: `the teacher shows the ${measure} of prompts whose labels it never saw`,
    source: 'teacher, held-out prompts',
    measure,
    atLeast,
  })),
  {
    claim: 'the classifier reads digits of handwriting that it never saw',
    source: 'real clips',
    measure: 'digit',
    atLeast: 0.97,
  },
  {
    claim: 'the causal student of phase 1 moves, at most 10 points less than the teacher',
    source: 'phase 1 - teacher',
    measure: 'dynamicDegree',
    atLeast: -0.1,
  },
  {
    claim: 'phase 2 raises the reward by a standard deviation',
    source: 'phase 2 - phase 1',
    measure: 'reward',
    atLeast: 1,
  },
  {
    claim: 'phase 2 raises the second judge, too, by a standard deviation',
    source: 'phase 2 - phase 1',
    measure: 'judge',
    atLeast: 1,
  },
  {
    claim: 'the last frame alone keeps 10 points more motion than a random frame',
    source: 'phase 2 - phase 2, random frame',
    measure: 'dynamicDegree',
    atLeast: 0.1,
  },
  {
    claim: 'the last frame alone keeps 10 points more motion than all frames',
    source: 'phase 2 - phase 2, all frames',
    measure: 'dynamicDegree',
    atLeast: 0.1,
  },
];

/** Each claim with what was found. */
export function claimsOf(
  outcomes: Readonly<Record<string, Summary>>,
  differences: Readonly<Record<string, Difference>>,
): Claim[] {
  return CLAIMS.map((claim) => {
    const { estimate, low, high } = (outcomes[claim.source] ?? differences[claim.source])![claim.measure];
    return { ...claim, found: { estimate, low, high }, verdict: verdict(claim.atLeast, { estimate, low }) };
  });
}

function verdict(atLeast: number, { estimate, low }: Pick<Interval, 'estimate' | 'low'>): Claim['verdict'] {
  if (low >= atLeast) return 'shown';
  return estimate >= atLeast ? 'estimate only' : 'not shown';
}
