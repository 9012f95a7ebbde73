/** What clips of a world are measured by, and what is claimed in terms of it. */
import { clipDynamicDegree, flicker, frameScores } from '../evaluate/internal.ts';
import type { Clip } from '../io/index.ts';
import type { Judges, WorldJudge } from './judge.ts';

/** Clips of one size with their prompts, and what judges them. */
export interface Measured {
  readonly clips: readonly Clip[];
  readonly prompts: readonly string[];
  readonly judges: Judges;
  /** To be awaited after each clip of a slow measure: lets signals in, and throws when the work is to stop. */
  onClip(): Promise<void>;
}

/** One number for each clip. */
export interface Measure {
  /** Its name in results and claims. */
  readonly id: string;
  readonly label: string;
  /** What it says, in half a sentence. */
  readonly meaning: string;
  /** How it is computed: stored with the results, since names alone do not fix a number. */
  readonly variant: string;
  /** `fidelity` says whether a clip shows its prompt. */
  readonly kind: 'fidelity' | 'motion' | 'reward';
  /** Whether it is 0 or 1 for a clip, so that its mean is a share. @defaultValue false */
  readonly isShare?: boolean;
  /** Decimals in tables. @defaultValue 2 */
  readonly decimals?: number;
  score(measured: Measured): Promise<readonly number[]> | readonly number[];
}

/** Share of clips that move at all; measured without any network. */
export const dynamicDegree: Measure = {
  id: 'dynamicDegree',
  label: 'dynamic degree',
  meaning: 'share of clips that move at all',
  variant: "VBench's rule (frame rate, threshold and count scaled to the clip) on Lucas-Kanade flow instead of RAFT",
  kind: 'motion',
  isShare: true,
  score: async ({ clips, onClip }) => {
    const degrees: number[] = [];
    for (const clip of clips) {
      degrees.push(Number(clipDynamicDegree(clip).moving));
      await onClip();
    }
    return degrees;
  },
};

/** How little a clip changes from frame to frame. */
export const steadiness: Measure = {
  id: 'flicker',
  label: 'steadiness',
  meaning: '1 for a frozen picture, less the more it changes from frame to frame',
  variant: 'VBench temporal_flickering: (255 - mean absolute difference of frames) / 255',
  kind: 'motion',
  decimals: 3,
  score: ({ clips }) => clips.map(flicker),
};

/** Motion as every world can measure it. */
export const motionMeasures: readonly Measure[] = [dynamicDegree, steadiness];

/** The measures of the two rewards of a world, where it has them. */
export function rewardMeasures(judges: readonly WorldJudge[]): readonly Measure[] {
  const [reward, judge] = ['reward', 'judge'].map((id) => judges.find((one) => one.id === id && one.reward));
  return [
    ...(reward
      ? [lastFrame('reward', reward, ['reward, last frame', 'what phase 2 climbs, in standard deviations of pictures'])]
      : []),
    ...(judge
      ? [
          lastFrame('judge', judge, [
            'second judge, last frame',
            'a reward that was never trained on: a gain here is not mere fooling of the first',
          ]),
        ]
      : []),
    ...(reward ? [allFrames(reward)] : []),
  ];
}

function lastFrame(id: string, { variant }: WorldJudge, [label, meaning]: readonly [string, string]): Measure {
  return {
    id,
    label,
    meaning,
    variant: `${variant} on the last frame`,
    kind: 'reward',
    score: ({ clips, prompts, judges }) => frameScores(clips, prompts, judges.reward(id), -1),
  };
}

function allFrames({ variant }: WorldJudge): Measure {
  return {
    id: 'rewardAllFrames',
    label: 'reward, all frames',
    meaning: 'whether the whole clip gains or only its last frame',
    variant: `${variant}, mean over frames`,
    kind: 'reward',
    score: async ({ clips, prompts, judges }) => {
      const { frames = 0 } = clips[0] ?? {};
      const totals = new Array<number>(clips.length).fill(0);
      for (let frame = 0; frame < frames; frame++) {
        const scores = await frameScores(clips, prompts, judges.reward('reward'), frame);
        for (const [i, score] of scores.entries()) totals[i]! += score / frames;
      }
      return totals;
    },
  };
}

/**
 * What a study compares. `before phase 1` is the distilled network run block by block; the last five of phase 2 differ in
 * the frames that the reward saw, which is the last one in `phase 2`.
 */
export type OutcomeId =
  | 'real clips'
  | 'teacher'
  | 'teacher, held-out prompts'
  | 'distilled'
  | 'before phase 1'
  | 'phase 1'
  | 'phase 2'
  | 'phase 2, first frame'
  | 'phase 2, middle frame'
  | 'phase 2, random frame'
  | 'phase 2, all frames';

/** A statement about the method: the mean of a measure, or its paired difference to another outcome, and a bound. */
export interface Claim {
  readonly claim: string;
  readonly measure: string;
  readonly of: OutcomeId;
  /** What is subtracted, on the same prompts, seeds and noise. @defaultValue nothing */
  readonly minus?: OutcomeId;
  readonly atLeast: number;
  /** The bound counts in standard deviations of the scores of this outcome. @defaultValue in the measure's own unit */
  readonly inDeviationsOf?: OutcomeId;
}

/** What the paper reports of rewarding other frames than the last, and what follows for all of them. */
export const lastFrameKeepsMotion: readonly Claim[] = [
  {
    claim: 'the last frame alone keeps 10 points more motion than a random frame',
    of: 'phase 2',
    minus: 'phase 2, random frame',
    measure: 'dynamicDegree',
    atLeast: 0.1,
  },
  {
    claim: 'the last frame alone keeps 10 points more motion than all frames',
    of: 'phase 2',
    minus: 'phase 2, all frames',
    measure: 'dynamicDegree',
    atLeast: 0.1,
  },
];
