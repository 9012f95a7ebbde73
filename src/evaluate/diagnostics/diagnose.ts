import { mean } from '../statistics/mean.ts';
import type { RewardHistory, RunEvidence } from './evidence.ts';
import type { Style } from './style.ts';

/** One known way to fail, and whether this run shows it. */
export interface Diagnosis {
  readonly symptom: string;
  /** What was compared, in words. */
  readonly measure: string;
  /** The number, and the one it is compared with; null where it was not measured. */
  readonly value: number | null;
  readonly limit: number | null;
  /** `alarm`, `fine`, `note` for what is worth knowing but expected, `not measured` where evidence is absent. */
  readonly state: 'alarm' | 'note' | 'fine' | 'not measured';
  /** Why, with the numbers. */
  readonly reason: string;
  /** What to do about an alarm. */
  readonly advice: string;
}

/**
 * Looks for the known failures of reward-driven autoregressive training: a static video, flicker and broken motion, seams
 * between blocks, a last frame that improves alone, reward hacking, style drift, collapse of diversity, unstable updates,
 * drift over blocks, and a saturated decoder. Alarms come first.
 *
 * @param run - what is known of the run now
 * @param baseline - the same of the run before reward training (phase 1), on the same prompts and seeds
 */
export function diagnose(run: RunEvidence, baseline: RunEvidence = {}): Diagnosis[] {
  const found = [
    staticVideo(run, baseline),
    brokenMotion(run, baseline),
    seams(run),
    lastFrameOnly(run),
    rewardHacking(run),
    styleDrift(run, baseline),
    diversityCollapse(run, baseline),
    clippedUpdates(run),
    notFinite(run),
    averageGap(run),
    blockDrift(run),
    saturatedDecoder(run, baseline),
  ];
  const rank = { alarm: 0, note: 1, fine: 2, 'not measured': 3 };
  return found.sort((a, b) => rank[a.state] - rank[b.state]);
}

interface Check {
  symptom: string;
  measure: string;
  advice: string;
  value: number | null | undefined;
  limit: number | null | undefined;
  /** Whether a value above (default) or below the limit is bad. */
  bad?: 'above' | 'below';
  /** What a bad value means: an alarm unless told otherwise. */
  severity?: 'alarm' | 'note';
  wanting: string;
  unit?: (value: number) => string;
}

function judged(check: Check): Diagnosis {
  const { symptom, measure, advice, wanting, bad = 'above', severity = 'alarm', unit = plain } = check;
  const { value = null, limit = null } = check;
  const known = value !== null && limit !== null && Number.isFinite(value) && Number.isFinite(limit);
  if (!known) {
    return { symptom, measure, value, limit, state: 'not measured', reason: `needs ${wanting}`, advice };
  }
  const isBad = bad === 'above' ? value > limit : value < limit;
  const relation = value > limit ? 'above' : value < limit ? 'below' : 'at';
  const reason = `${measure}: ${unit(value)}, ${relation} the limit of ${unit(limit)}`;
  return { symptom, measure, value, limit, state: isBad ? severity : 'fine', reason, advice };
}

function plain(value: number): string {
  return value.toPrecision(3);
}

function percent(value: number): string {
  return `${(100 * value).toFixed(1)} %`;
}

const bothClips = 'clips of this run and of the baseline';

function staticVideo({ clips }: RunEvidence, { clips: before }: RunEvidence): Diagnosis {
  return judged({
    symptom: 'static video',
    measure: 'fall of the share of moving clips',
    value: clips && before && before.movingShare - clips.movingShare,
    limit: 0.03,
    wanting: bothClips,
    unit: percent,
    advice: 'supervise the last frame only, or make fewer updates',
  });
}

function brokenMotion({ clips }: RunEvidence, { clips: before }: RunEvidence): Diagnosis {
  return judged({
    symptom: 'flicker or broken motion',
    measure: 'fall of 1 - mean change between frames',
    value: clips && before && before.flicker - clips.flicker,
    limit: 0.01,
    wanting: bothClips,
    unit: percent,
    advice: 'more trajectories or a longer phase 1; check that noise levels and timesteps belong together',
  });
}

function seams({ clips }: RunEvidence): Diagnosis {
  return judged({
    symptom: 'seams between blocks',
    measure: 'change at block borders over change inside blocks',
    value: clips?.seamRatio,
    limit: 1.5,
    wanting: 'clips and the borders of their blocks',
    advice: 'check the context pass and the positions of cached blocks; more trajectories',
  });
}

function lastFrameOnly({ rewardCurve }: RunEvidence): Diagnosis {
  return judged({
    symptom: 'only the last frame improves',
    measure: 'reward of the last frame minus the mean of the others',
    value: rewardCurve?.lastMinusOthers,
    limit: 0.5,
    wanting: 'the reward of every frame',
    advice: 'supervise some random frames too, and more exit steps',
  });
}

const EVALUATIONS = 3;

function rewardHacking({ rewards }: RunEvidence): Diagnosis {
  const lasting = rewards && hackedFor(rewards);
  return judged({
    symptom: 'reward hacking',
    measure: 'evaluations in a row in which the trained reward rose and every independent one fell',
    value: lasting,
    limit: EVALUATIONS - 1,
    wanting: 'the trained reward and an independent one at two checkpoints or more',
    unit: String,
    advice: 'stop; take an earlier averaged checkpoint',
  });
}

/** How many of the newest evaluations in a row show it; null without an independent reward. */
function hackedFor({ trained, independent }: RewardHistory): number | null {
  const others = Object.values(independent);
  if (others.length === 0 || trained.length < 2) return null;
  let count = 0;
  for (let i = trained.length - 1; i > 0; i--) {
    const fell = others.every((values) => values[i]! < values[i - 1]!);
    if (!(trained[i]! > trained[i - 1]! && fell)) break;
    count++;
  }
  return count;
}

const DEVIATIONS = 2;

function styleDrift({ clips }: RunEvidence, { clips: before }: RunEvidence): Diagnosis {
  return judged({
    symptom: 'style drift',
    measure: `largest change of brightness, contrast, saturation or sharpness, in deviations of the baseline`,
    value: clips && before && styleDistance(clips.style, before.style),
    limit: DEVIATIONS,
    severity: 'note',
    wanting: bothClips,
    advice: 'expected with a reward that likes another style; look at the clips',
  });
}

function styleDistance(now: Style, before: Style): number {
  const keys = Object.keys(now) as (keyof Style)[];
  return Math.max(...keys.map((key) => Math.abs(now[key].mean - before[key].mean) / Math.max(before[key].std, 1e-6)));
}

function diversityCollapse({ clips }: RunEvidence, { clips: before }: RunEvidence): Diagnosis {
  const [now, then] = [clips?.diversity ?? null, before?.diversity ?? null];
  return judged({
    symptom: 'collapse of diversity',
    measure: 'distance between clips of one prompt over that of the baseline',
    value: now === null || then === null || then === 0 ? null : now / then,
    limit: 0.7,
    bad: 'below',
    wanting: 'several clips of one prompt, of this run and of the baseline',
    advice: 'stop, or go on with a lower learning rate',
  });
}

function clippedUpdates({ log }: RunEvidence): Diagnosis {
  return judged({
    symptom: 'unstable updates',
    measure: 'share of late updates whose gradients were clipped',
    value: log?.clippedShare,
    limit: 0.2,
    wanting: 'the log of the run',
    unit: percent,
    advice: 'lower the learning rate; check that long sums are made in float32',
  });
}

function notFinite({ log }: RunEvidence): Diagnosis {
  return judged({
    symptom: 'numbers that are not finite',
    measure: 'steps with a loss or gradient that is no number',
    value: log?.notFinite,
    limit: 0,
    wanting: 'the log of the run',
    unit: String,
    advice: 'go back to the checkpoint before; look for a division by a vanishing norm',
  });
}

function averageGap({ averageGap: gaps }: RunEvidence): Diagnosis {
  const growth = gaps && gaps.length > 1 ? gaps.at(-1)! / Math.max(gaps[0]!, 1e-12) : null;
  return judged({
    symptom: 'weights run away from their average',
    measure: 'distance to the averaged weights over what it was at first',
    value: growth,
    limit: 2,
    wanting: 'the distance at two checkpoints or more',
    advice: 'lower the learning rate',
  });
}

const ENDS = 5;

function blockDrift({ quality }: RunEvidence): Diagnosis {
  const enough = quality !== undefined && quality.length >= 2 * ENDS;
  const [first, last] = enough ? [mean(quality.slice(0, ENDS)), mean(quality.slice(-ENDS))] : [0, 0];
  return judged({
    symptom: 'drift over blocks',
    measure: `quality of the last ${ENDS} frames relative to the first ${ENDS}`,
    value: enough && first !== 0 ? last / first - 1 : null,
    limit: -0.05,
    bad: 'below',
    wanting: `a score of looks for each of ${2 * ENDS} frames or more`,
    unit: percent,
    advice: 'check the pass that writes clean context into the cache',
  });
}

function saturatedDecoder({ clips }: RunEvidence, { clips: before }: RunEvidence): Diagnosis {
  return judged({
    symptom: 'saturated decoder',
    measure: 'share of values at the bounds of 8 bits beyond that of the baseline',
    value: clips && clips.saturated - (before?.saturated ?? 0),
    limit: 0.05,
    wanting: 'clips of this run',
    unit: percent,
    advice: 'the gradient dies where the decoder is clamped: lower the weight of the reward',
  });
}
