import { type Claim, lastFrameKeepsMotion } from '../measures.ts';

/** A fifth of the mean speed of real clips, in px a frame. */
const FIFTH = 0.28;

/**
 * What the method is said to do on the sprites, fixed before any network but the autoencoder was trained. That the gain of
 * the last frame over a random one shrinks where nothing rests is a claim over two worlds, and not among these.
 */
export const spriteClaims: readonly Claim[] = [
  {
    claim: 'the teacher shows the thing of pairs of thing and place that it never saw',
    of: 'teacher, held-out prompts',
    measure: 'thing',
    atLeast: 0.95,
  },
  {
    claim: 'the teacher shows the place of pairs that it never saw',
    of: 'teacher, held-out prompts',
    measure: 'place',
    atLeast: 0.99,
  },
  ...asOftenAndAsFast(),
  {
    claim: 'the causal student of phase 1 moves, at most 10 points less than the teacher',
    of: 'phase 1',
    minus: 'teacher',
    measure: 'dynamicDegree',
    atLeast: -0.1,
  },
  {
    claim: 'phase 1 lacks texture: the teacher is sharper',
    of: 'teacher',
    minus: 'phase 1',
    measure: 'sharpness',
    atLeast: 0,
  },
  ...(['reward', 'judge'] as const).map(
    (measure): Claim => ({
      claim: `phase 2 raises the ${measure === 'reward' ? 'reward' : 'second judge, too,'} by a standard deviation of phase 1`,
      of: 'phase 2',
      minus: 'phase 1',
      measure,
      atLeast: 1,
      inDeviationsOf: 'phase 1',
    }),
  ),
  { claim: 'phase 2 makes things sharper', of: 'phase 2', minus: 'phase 1', measure: 'sharpness', atLeast: 0 },
  { claim: 'phase 2 shows the right thing more often', of: 'phase 2', minus: 'phase 1', measure: 'thing', atLeast: 0 },
  {
    claim: 'the last frame alone keeps most motion: at most 15 points less than phase 1',
    of: 'phase 2',
    minus: 'phase 1',
    measure: 'dynamicDegree',
    atLeast: -0.15,
  },
  ...lastFrameKeepsMotion,
  {
    claim: 'the student passes its teacher in the second judge',
    of: 'phase 2',
    minus: 'teacher',
    measure: 'judge',
    atLeast: 0,
  },
];

/** The teacher against real clips of the same prompts, both ways. */
function asOftenAndAsFast(): Claim[] {
  const [teacher, real] = ['teacher', 'real clips'] as const;
  const both = (measure: string, atLeast: number, [less, more]: readonly [string, string]): Claim[] => [
    { claim: less, of: teacher, minus: real, measure, atLeast },
    { claim: more, of: real, minus: teacher, measure, atLeast },
  ];
  return [
    ...both('dynamicDegree', -0.1, [
      'the teacher moves at most 10 points less often than real clips',
      'the teacher moves at most 10 points more often than real clips',
    ]),
    ...both('pxPerFrame', -FIFTH, [
      'the teacher is at most a fifth slower than real clips',
      'the teacher is at most a fifth faster than real clips',
    ]),
  ];
}
